-- The schema as SQLite's migrations 0001 to 0005 leave it. Written by Prisma's schema engine, but for one thing: all text
-- is COLLATE "C", so that it is in the same order here as in SQLite, whatever the database's own order is.

-- CreateTable
CREATE TABLE "Blob" (
    "hash" BYTEA NOT NULL,
    "data" BYTEA NOT NULL,

    CONSTRAINT "Blob_pkey" PRIMARY KEY ("hash")
);

-- CreateTable
CREATE TABLE "Machine" (
    "id" TEXT COLLATE "C" NOT NULL,
    "ownerId" TEXT COLLATE "C" NOT NULL,
    "displayName" TEXT COLLATE "C" NOT NULL,
    "searchName" TEXT COLLATE "C" NOT NULL,
    "labels" TEXT COLLATE "C" NOT NULL,
    "spec" BYTEA NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    "originSnapshotId" TEXT COLLATE "C",
    "epoch" BIGINT NOT NULL,
    "lastSequence" BIGINT NOT NULL,
    "reachedInstructions" BIGINT NOT NULL,
    "reachedTimeNs" BIGINT NOT NULL,
    "run" TEXT COLLATE "C" NOT NULL,
    "reason" TEXT COLLATE "C" NOT NULL,
    "taskCount" INTEGER NOT NULL,
    "consoleStart" BIGINT NOT NULL,
    "consoleLength" BIGINT NOT NULL,
    "traceSequence" BIGINT NOT NULL DEFAULT 0,
    "ephemeral" BOOLEAN NOT NULL DEFAULT false,

    CONSTRAINT "Machine_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "MachineLabel" (
    "machineId" TEXT COLLATE "C" NOT NULL,
    "name" TEXT COLLATE "C" NOT NULL,
    "value" TEXT COLLATE "C" NOT NULL,

    CONSTRAINT "MachineLabel_pkey" PRIMARY KEY ("machineId","name")
);

-- CreateTable
CREATE TABLE "JournalEntry" (
    "machineId" TEXT COLLATE "C" NOT NULL,
    "sequence" BIGINT NOT NULL,
    "instructions" BIGINT NOT NULL,
    "timeNs" BIGINT NOT NULL,
    "payload" BYTEA NOT NULL,

    CONSTRAINT "JournalEntry_pkey" PRIMARY KEY ("machineId","sequence")
);

-- CreateTable
CREATE TABLE "ConsoleBlock" (
    "machineId" TEXT COLLATE "C" NOT NULL,
    "offset" BIGINT NOT NULL,
    "bytes" BYTEA NOT NULL,

    CONSTRAINT "ConsoleBlock_pkey" PRIMARY KEY ("machineId","offset")
);

-- CreateTable
CREATE TABLE "Snapshot" (
    "id" TEXT COLLATE "C" NOT NULL,
    "machineId" TEXT COLLATE "C" NOT NULL,
    "ownerId" TEXT COLLATE "C" NOT NULL,
    "displayName" TEXT COLLATE "C" NOT NULL,
    "labels" TEXT COLLATE "C" NOT NULL,
    "root" BYTEA NOT NULL,
    "instructions" BIGINT NOT NULL,
    "timeNs" BIGINT NOT NULL,
    "sequence" BIGINT NOT NULL,
    "traceSequence" BIGINT NOT NULL,
    "consoleLength" BIGINT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "kind" TEXT COLLATE "C" NOT NULL,
    "newBytes" BIGINT NOT NULL,
    "totalBytes" BIGINT NOT NULL,
    "onLine" BOOLEAN NOT NULL,
    "spec" BYTEA,

    CONSTRAINT "Snapshot_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "User" (
    "id" TEXT COLLATE "C" NOT NULL,
    "name" TEXT COLLATE "C" NOT NULL,
    "role" TEXT COLLATE "C" NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "disabled" BOOLEAN NOT NULL,

    CONSTRAINT "User_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "ApiKey" (
    "id" TEXT COLLATE "C" NOT NULL,
    "userId" TEXT COLLATE "C" NOT NULL,
    "secretHash" BYTEA NOT NULL,
    "label" TEXT COLLATE "C" NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "expiresAt" TIMESTAMP(3),
    "revokedAt" TIMESTAMP(3),

    CONSTRAINT "ApiKey_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Program" (
    "ownerId" TEXT COLLATE "C" NOT NULL,
    "hash" BYTEA NOT NULL,
    "name" TEXT COLLATE "C" NOT NULL,
    "size" BIGINT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Program_pkey" PRIMARY KEY ("ownerId","hash")
);

-- CreateTable
CREATE TABLE "Assignment" (
    "id" TEXT COLLATE "C" NOT NULL,
    "ownerId" TEXT COLLATE "C" NOT NULL,
    "displayName" TEXT COLLATE "C" NOT NULL,
    "spec" BYTEA NOT NULL,
    "version" INTEGER NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Assignment_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Submission" (
    "id" TEXT COLLATE "C" NOT NULL,
    "assignmentId" TEXT COLLATE "C" NOT NULL,
    "assignmentVersion" INTEGER NOT NULL,
    "ownerId" TEXT COLLATE "C" NOT NULL,
    "contentHash" BYTEA NOT NULL,
    "contentKind" TEXT COLLATE "C" NOT NULL,
    "state" TEXT COLLATE "C" NOT NULL,
    "report" BYTEA NOT NULL,
    "error" TEXT COLLATE "C" NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Submission_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Idempotency" (
    "ownerId" TEXT COLLATE "C" NOT NULL,
    "method" TEXT COLLATE "C" NOT NULL,
    "key" TEXT COLLATE "C" NOT NULL,
    "requestHash" BYTEA NOT NULL,
    "response" BYTEA NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Idempotency_pkey" PRIMARY KEY ("ownerId","method","key")
);

-- CreateTable
CREATE TABLE "Heartbeat" (
    "name" TEXT COLLATE "C" NOT NULL,
    "at" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Heartbeat_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "Tenure" (
    "name" TEXT COLLATE "C" NOT NULL,
    "number" BIGINT NOT NULL,

    CONSTRAINT "Tenure_pkey" PRIMARY KEY ("name")
);

-- CreateIndex
CREATE INDEX "Machine_createdAt_id_idx" ON "Machine"("createdAt", "id");

-- CreateIndex
CREATE INDEX "Machine_ownerId_createdAt_id_idx" ON "Machine"("ownerId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "Machine_originSnapshotId_idx" ON "Machine"("originSnapshotId");

-- CreateIndex
CREATE INDEX "Machine_ephemeral_idx" ON "Machine"("ephemeral");

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

-- AddForeignKey
ALTER TABLE "Machine" ADD CONSTRAINT "Machine_originSnapshotId_fkey" FOREIGN KEY ("originSnapshotId") REFERENCES "Snapshot"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "MachineLabel" ADD CONSTRAINT "MachineLabel_machineId_fkey" FOREIGN KEY ("machineId") REFERENCES "Machine"("id") ON DELETE CASCADE ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "JournalEntry" ADD CONSTRAINT "JournalEntry_machineId_fkey" FOREIGN KEY ("machineId") REFERENCES "Machine"("id") ON DELETE CASCADE ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "ConsoleBlock" ADD CONSTRAINT "ConsoleBlock_machineId_fkey" FOREIGN KEY ("machineId") REFERENCES "Machine"("id") ON DELETE CASCADE ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "ApiKey" ADD CONSTRAINT "ApiKey_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "Program" ADD CONSTRAINT "Program_hash_fkey" FOREIGN KEY ("hash") REFERENCES "Blob"("hash") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "Submission" ADD CONSTRAINT "Submission_contentHash_fkey" FOREIGN KEY ("contentHash") REFERENCES "Blob"("hash") ON DELETE RESTRICT ON UPDATE RESTRICT;

