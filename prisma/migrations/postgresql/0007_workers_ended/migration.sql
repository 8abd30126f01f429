-- AlterTable
ALTER TABLE "Machine" ADD COLUMN "workersEnded" INTEGER NOT NULL DEFAULT 0;
