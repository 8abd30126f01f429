-- AlterTable
ALTER TABLE "Snapshot" ADD COLUMN "spec" BLOB;

UPDATE "Snapshot" SET "spec" = (SELECT "spec" FROM "Machine" WHERE "Machine"."id" = "Snapshot"."machineId");
