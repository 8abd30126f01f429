-- AlterTable
ALTER TABLE "Machine" ADD COLUMN "traceSequence" BIGINT NOT NULL DEFAULT 0;

UPDATE "Machine" SET "traceSequence" = COALESCE(
  (SELECT MAX("traceSequence") FROM "Snapshot" WHERE "Snapshot"."machineId" = "Machine"."id" AND "Snapshot"."onLine"), 0);
