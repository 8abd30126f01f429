-- CreateTable
CREATE TABLE "Course" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "displayName" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "archivedAt" DATETIME
);

-- CreateTable
CREATE TABLE "Member" (
    "courseId" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,

    PRIMARY KEY ("courseId", "userId"),
    CONSTRAINT "Member_courseId_fkey" FOREIGN KEY ("courseId") REFERENCES "Course" ("id") ON DELETE CASCADE ON UPDATE RESTRICT,
    CONSTRAINT "Member_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User" ("id") ON DELETE CASCADE ON UPDATE RESTRICT
);

-- Everything that was there before is in the default course, with everybody who was there, in the role that each had.
INSERT INTO "Course" ("id", "displayName", "createdAt")
SELECT 'default', 'Default course', strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')
WHERE EXISTS (SELECT 1 FROM "User");

INSERT INTO "Member" ("courseId", "userId", "role", "createdAt")
SELECT 'default', "id", "role", "createdAt" FROM "User" WHERE "role" <> 'admin';

UPDATE "User" SET "role" = 'user' WHERE "role" <> 'admin';

-- AlterTable
ALTER TABLE "Machine" ADD COLUMN "courseId" TEXT NOT NULL DEFAULT 'default';
ALTER TABLE "Snapshot" ADD COLUMN "courseId" TEXT NOT NULL DEFAULT 'default';
ALTER TABLE "Assignment" ADD COLUMN "courseId" TEXT NOT NULL DEFAULT 'default';
ALTER TABLE "Submission" ADD COLUMN "courseId" TEXT NOT NULL DEFAULT 'default';
ALTER TABLE "ApiKey" ADD COLUMN "courseId" TEXT;
ALTER TABLE "ApiKey" ADD COLUMN "roleAtMost" TEXT;
ALTER TABLE "ApiKey" ADD COLUMN "operations" TEXT NOT NULL DEFAULT '[]';
ALTER TABLE "ApiKey" ADD COLUMN "readOnly" BOOLEAN NOT NULL DEFAULT false;

-- RedefineTables: the course is part of a program's key
CREATE TABLE "new_Program" (
    "courseId" TEXT NOT NULL DEFAULT 'default',
    "ownerId" TEXT NOT NULL,
    "hash" BLOB NOT NULL,
    "name" TEXT NOT NULL,
    "size" BIGINT NOT NULL,
    "createdAt" DATETIME NOT NULL,

    PRIMARY KEY ("courseId", "ownerId", "hash"),
    CONSTRAINT "Program_hash_fkey" FOREIGN KEY ("hash") REFERENCES "Blob" ("hash") ON DELETE RESTRICT ON UPDATE RESTRICT
);
INSERT INTO "new_Program" ("ownerId", "hash", "name", "size", "createdAt")
SELECT "ownerId", "hash", "name", "size", "createdAt" FROM "Program";
DROP TABLE "Program";
ALTER TABLE "new_Program" RENAME TO "Program";

-- CreateIndex
CREATE INDEX "Program_createdAt_courseId_ownerId_hash_idx" ON "Program"("createdAt", "courseId", "ownerId", "hash");
CREATE INDEX "Program_hash_idx" ON "Program"("hash");
CREATE INDEX "Course_createdAt_id_idx" ON "Course"("createdAt", "id");
CREATE INDEX "Member_userId_idx" ON "Member"("userId");
CREATE INDEX "Machine_courseId_createdAt_id_idx" ON "Machine"("courseId", "createdAt", "id");
CREATE INDEX "Snapshot_courseId_createdAt_id_idx" ON "Snapshot"("courseId", "createdAt", "id");
CREATE INDEX "Assignment_courseId_createdAt_id_idx" ON "Assignment"("courseId", "createdAt", "id");
CREATE INDEX "Submission_courseId_createdAt_id_idx" ON "Submission"("courseId", "createdAt", "id");
