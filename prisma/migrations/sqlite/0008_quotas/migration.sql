-- CreateTable
CREATE TABLE "QuotaLimit" (
    "courseId" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "limit" BIGINT NOT NULL,

    PRIMARY KEY ("courseId", "userId", "kind")
);

-- CreateTable
CREATE TABLE "Allowance" (
    "courseId" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "used" BIGINT NOT NULL,
    "at" DATETIME NOT NULL,

    PRIMARY KEY ("courseId", "userId", "kind")
);
