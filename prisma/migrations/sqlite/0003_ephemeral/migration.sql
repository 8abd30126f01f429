-- AlterTable
ALTER TABLE "Machine" ADD COLUMN "ephemeral" BOOLEAN NOT NULL DEFAULT false;

-- CreateIndex
CREATE INDEX "Machine_ephemeral_idx" ON "Machine"("ephemeral");
