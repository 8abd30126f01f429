-- CreateTable
CREATE TABLE "Course" (
    "id" TEXT COLLATE "C" NOT NULL,
    "displayName" TEXT COLLATE "C" NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "archivedAt" TIMESTAMP(3),

    CONSTRAINT "Course_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Member" (
    "courseId" TEXT COLLATE "C" NOT NULL,
    "userId" TEXT COLLATE "C" NOT NULL,
    "role" TEXT COLLATE "C" NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Member_pkey" PRIMARY KEY ("courseId","userId"),
    CONSTRAINT "Member_courseId_fkey" FOREIGN KEY ("courseId") REFERENCES "Course"("id") ON DELETE CASCADE ON UPDATE RESTRICT,
    CONSTRAINT "Member_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE RESTRICT
);

-- Everything that was there before is in the default course, with everybody who was there, in the role that each had.
INSERT INTO "Course" ("id", "displayName", "createdAt")
SELECT 'default', 'Default course', CURRENT_TIMESTAMP AT TIME ZONE 'UTC'
WHERE EXISTS (SELECT 1 FROM "User");

INSERT INTO "Member" ("courseId", "userId", "role", "createdAt")
SELECT 'default', "id", "role", "createdAt" FROM "User" WHERE "role" <> 'admin';

UPDATE "User" SET "role" = 'user' WHERE "role" <> 'admin';

-- AlterTable
ALTER TABLE "Machine" ADD COLUMN "courseId" TEXT COLLATE "C" NOT NULL DEFAULT 'default';
ALTER TABLE "Snapshot" ADD COLUMN "courseId" TEXT COLLATE "C" NOT NULL DEFAULT 'default';
ALTER TABLE "Assignment" ADD COLUMN "courseId" TEXT COLLATE "C" NOT NULL DEFAULT 'default';
ALTER TABLE "Submission" ADD COLUMN "courseId" TEXT COLLATE "C" NOT NULL DEFAULT 'default';
ALTER TABLE "ApiKey" ADD COLUMN "courseId" TEXT COLLATE "C";
ALTER TABLE "ApiKey" ADD COLUMN "roleAtMost" TEXT COLLATE "C";
ALTER TABLE "ApiKey" ADD COLUMN "operations" TEXT COLLATE "C" NOT NULL DEFAULT '[]';
ALTER TABLE "ApiKey" ADD COLUMN "readOnly" BOOLEAN NOT NULL DEFAULT false;

-- The course is part of a program's key.
ALTER TABLE "Program" ADD COLUMN "courseId" TEXT COLLATE "C" NOT NULL DEFAULT 'default';
ALTER TABLE "Program" DROP CONSTRAINT "Program_pkey";
ALTER TABLE "Program" ADD CONSTRAINT "Program_pkey" PRIMARY KEY ("courseId", "ownerId", "hash");
DROP INDEX "Program_createdAt_ownerId_hash_idx";

-- CreateIndex
CREATE INDEX "Program_createdAt_courseId_ownerId_hash_idx" ON "Program"("createdAt", "courseId", "ownerId", "hash");
CREATE INDEX "Course_createdAt_id_idx" ON "Course"("createdAt", "id");
CREATE INDEX "Member_userId_idx" ON "Member"("userId");
CREATE INDEX "Machine_courseId_createdAt_id_idx" ON "Machine"("courseId", "createdAt", "id");
CREATE INDEX "Snapshot_courseId_createdAt_id_idx" ON "Snapshot"("courseId", "createdAt", "id");
CREATE INDEX "Assignment_courseId_createdAt_id_idx" ON "Assignment"("courseId", "createdAt", "id");
CREATE INDEX "Submission_courseId_createdAt_id_idx" ON "Submission"("courseId", "createdAt", "id");
