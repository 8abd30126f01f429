/** Integer operations that take more than an expression. Their meanings are in ../instructions/table.ts. */

/* from the table: functions of integers */
