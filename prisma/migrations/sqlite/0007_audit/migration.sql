-- CreateTable
CREATE TABLE "AuditEvent" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "at" DATETIME NOT NULL,
    "count" BIGINT NOT NULL,
    "lastAt" DATETIME NOT NULL,
    "actorId" TEXT NOT NULL,
    "keyId" TEXT NOT NULL,
    "courseId" TEXT NOT NULL,
    "operation" TEXT NOT NULL,
    "target" TEXT NOT NULL,
    "outcome" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "transport" TEXT NOT NULL,
    "peer" TEXT NOT NULL,
    "requestId" TEXT NOT NULL
);

-- CreateIndex
CREATE INDEX "AuditEvent_at_id_idx" ON "AuditEvent"("at", "id");
CREATE INDEX "AuditEvent_courseId_at_id_idx" ON "AuditEvent"("courseId", "at", "id");
CREATE INDEX "AuditEvent_actorId_at_id_idx" ON "AuditEvent"("actorId", "at", "id");
