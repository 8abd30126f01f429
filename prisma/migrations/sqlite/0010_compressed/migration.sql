-- AlterTable
ALTER TABLE "Blob" ADD COLUMN "size" BIGINT;
