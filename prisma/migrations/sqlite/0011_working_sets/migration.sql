-- CreateTable
CREATE TABLE "WorkingSet" (
    "snapshotId" TEXT NOT NULL PRIMARY KEY,
    "pages" BLOB NOT NULL,
    CONSTRAINT "WorkingSet_snapshotId_fkey" FOREIGN KEY ("snapshotId") REFERENCES "Snapshot" ("id") ON DELETE CASCADE ON UPDATE RESTRICT
);
