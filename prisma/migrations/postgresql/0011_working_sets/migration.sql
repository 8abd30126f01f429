-- CreateTable
CREATE TABLE "WorkingSet" (
    "snapshotId" TEXT COLLATE "C" NOT NULL,
    "pages" BYTEA NOT NULL,

    CONSTRAINT "WorkingSet_pkey" PRIMARY KEY ("snapshotId")
);

-- AddForeignKey
ALTER TABLE "WorkingSet" ADD CONSTRAINT "WorkingSet_snapshotId_fkey" FOREIGN KEY ("snapshotId") REFERENCES "Snapshot"("id") ON DELETE CASCADE ON UPDATE RESTRICT;
