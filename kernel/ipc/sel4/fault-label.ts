/** seL4_Fault_tag. */
export const FaultLabel = { capFault: 1, unknownSyscall: 2, userException: 3, vmFault: 5 } as const;
