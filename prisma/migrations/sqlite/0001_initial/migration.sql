-- The first schema. Written by Prisma's schema engine (see test/store/migrations.test.ts), but for one thing:
-- JournalEntry is WITHOUT ROWID, so that an entry costs one tree and a machine's entries lie side by side.

-- CreateTable
CREATE TABLE "Blob" (
    "hash" BLOB NOT NULL PRIMARY KEY,
    "data" BLOB NOT NULL
);

-- CreateTable
CREATE TABLE "Machine" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "ownerId" TEXT NOT NULL,
    "displayName" TEXT NOT NULL,
    "searchName" TEXT NOT NULL,
    "labels" TEXT NOT NULL,
    "spec" BLOB NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "updatedAt" DATETIME NOT NULL,
    "originSnapshotId" TEXT,
    "epoch" BIGINT NOT NULL,
    "lastSequence" BIGINT NOT NULL,
    "reachedInstructions" BIGINT NOT NULL,
    "reachedTimeNs" BIGINT NOT NULL,
    "run" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "taskCount" INTEGER NOT NULL,
    "consoleStart" BIGINT NOT NULL,
    "consoleLength" BIGINT NOT NULL,
    CONSTRAINT "Machine_originSnapshotId_fkey" FOREIGN KEY ("originSnapshotId") REFERENCES "Snapshot" ("id") ON DELETE RESTRICT ON UPDATE RESTRICT
);

-- CreateTable
CREATE TABLE "MachineLabel" (
    "machineId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "value" TEXT NOT NULL,

    PRIMARY KEY ("machineId", "name"),
    CONSTRAINT "MachineLabel_machineId_fkey" FOREIGN KEY ("machineId") REFERENCES "Machine" ("id") ON DELETE CASCADE ON UPDATE RESTRICT
);

-- CreateTable
CREATE TABLE "JournalEntry" (
    "machineId" TEXT NOT NULL,
    "sequence" BIGINT NOT NULL,
    "instructions" BIGINT NOT NULL,
    "timeNs" BIGINT NOT NULL,
    "payload" BLOB NOT NULL,

    PRIMARY KEY ("machineId", "sequence"),
    CONSTRAINT "JournalEntry_machineId_fkey" FOREIGN KEY ("machineId") REFERENCES "Machine" ("id") ON DELETE CASCADE ON UPDATE RESTRICT
) WITHOUT ROWID;

-- CreateTable
CREATE TABLE "ConsoleBlock" (
    "machineId" TEXT NOT NULL,
    "offset" BIGINT NOT NULL,
    "bytes" BLOB NOT NULL,

    PRIMARY KEY ("machineId", "offset"),
    CONSTRAINT "ConsoleBlock_machineId_fkey" FOREIGN KEY ("machineId") REFERENCES "Machine" ("id") ON DELETE CASCADE ON UPDATE RESTRICT
);

-- CreateTable
CREATE TABLE "Snapshot" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "machineId" TEXT NOT NULL,
    "ownerId" TEXT NOT NULL,
    "displayName" TEXT NOT NULL,
    "labels" TEXT NOT NULL,
    "root" BLOB NOT NULL,
    "instructions" BIGINT NOT NULL,
    "timeNs" BIGINT NOT NULL,
    "sequence" BIGINT NOT NULL,
    "traceSequence" BIGINT NOT NULL,
    "consoleLength" BIGINT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "kind" TEXT NOT NULL,
    "newBytes" BIGINT NOT NULL,
    "totalBytes" BIGINT NOT NULL,
    "onLine" BOOLEAN NOT NULL
);

-- CreateTable
CREATE TABLE "User" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "name" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "disabled" BOOLEAN NOT NULL
);

-- CreateTable
CREATE TABLE "ApiKey" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "userId" TEXT NOT NULL,
    "secretHash" BLOB NOT NULL,
    "label" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "expiresAt" DATETIME,
    "revokedAt" DATETIME,
    CONSTRAINT "ApiKey_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User" ("id") ON DELETE CASCADE ON UPDATE RESTRICT
);

-- CreateTable
CREATE TABLE "Program" (
    "ownerId" TEXT NOT NULL,
    "hash" BLOB NOT NULL,
    "name" TEXT NOT NULL,
    "size" BIGINT NOT NULL,
    "createdAt" DATETIME NOT NULL,

    PRIMARY KEY ("ownerId", "hash"),
    CONSTRAINT "Program_hash_fkey" FOREIGN KEY ("hash") REFERENCES "Blob" ("hash") ON DELETE RESTRICT ON UPDATE RESTRICT
);

-- CreateTable
CREATE TABLE "Assignment" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "ownerId" TEXT NOT NULL,
    "displayName" TEXT NOT NULL,
    "spec" BLOB NOT NULL,
    "version" INTEGER NOT NULL,
    "createdAt" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "Submission" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "assignmentId" TEXT NOT NULL,
    "assignmentVersion" INTEGER NOT NULL,
    "ownerId" TEXT NOT NULL,
    "contentHash" BLOB NOT NULL,
    "contentKind" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "report" BLOB NOT NULL,
    "error" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    CONSTRAINT "Submission_contentHash_fkey" FOREIGN KEY ("contentHash") REFERENCES "Blob" ("hash") ON DELETE RESTRICT ON UPDATE RESTRICT
);

-- CreateTable
CREATE TABLE "Idempotency" (
    "ownerId" TEXT NOT NULL,
    "method" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "requestHash" BLOB NOT NULL,
    "response" BLOB NOT NULL,
    "createdAt" DATETIME NOT NULL,

    PRIMARY KEY ("ownerId", "method", "key")
);

-- CreateTable
CREATE TABLE "Heartbeat" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "at" DATETIME NOT NULL
);

-- CreateIndex
CREATE INDEX "Machine_createdAt_id_idx" ON "Machine"("createdAt", "id");

-- CreateIndex
CREATE INDEX "Machine_ownerId_createdAt_id_idx" ON "Machine"("ownerId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "Machine_originSnapshotId_idx" ON "Machine"("originSnapshotId");

-- CreateIndex
CREATE INDEX "MachineLabel_name_value_machineId_idx" ON "MachineLabel"("name", "value", "machineId");

-- CreateIndex
CREATE INDEX "Snapshot_createdAt_id_idx" ON "Snapshot"("createdAt", "id");

-- CreateIndex
CREATE INDEX "Snapshot_ownerId_createdAt_id_idx" ON "Snapshot"("ownerId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "Snapshot_machineId_createdAt_id_idx" ON "Snapshot"("machineId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "Snapshot_machineId_onLine_instructions_idx" ON "Snapshot"("machineId", "onLine", "instructions");

-- CreateIndex
CREATE INDEX "User_createdAt_id_idx" ON "User"("createdAt", "id");

-- CreateIndex
CREATE UNIQUE INDEX "ApiKey_secretHash_key" ON "ApiKey"("secretHash");

-- CreateIndex
CREATE INDEX "ApiKey_userId_createdAt_id_idx" ON "ApiKey"("userId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "Program_createdAt_ownerId_hash_idx" ON "Program"("createdAt", "ownerId", "hash");

-- CreateIndex
CREATE INDEX "Program_hash_idx" ON "Program"("hash");

-- CreateIndex
CREATE INDEX "Assignment_createdAt_id_idx" ON "Assignment"("createdAt", "id");

-- CreateIndex
CREATE INDEX "Submission_createdAt_id_idx" ON "Submission"("createdAt", "id");

-- CreateIndex
CREATE INDEX "Submission_assignmentId_createdAt_id_idx" ON "Submission"("assignmentId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "Submission_ownerId_createdAt_id_idx" ON "Submission"("ownerId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "Submission_state_createdAt_idx" ON "Submission"("state", "createdAt");

-- CreateIndex
CREATE INDEX "Submission_contentHash_idx" ON "Submission"("contentHash");

-- CreateIndex
CREATE INDEX "Idempotency_createdAt_idx" ON "Idempotency"("createdAt");
