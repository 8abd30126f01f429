-- CreateTable
CREATE TABLE "QuotaLimit" (
    "courseId" TEXT COLLATE "C" NOT NULL,
    "userId" TEXT COLLATE "C" NOT NULL,
    "kind" TEXT COLLATE "C" NOT NULL,
    "limit" BIGINT NOT NULL,

    CONSTRAINT "QuotaLimit_pkey" PRIMARY KEY ("courseId", "userId", "kind")
);

-- CreateTable
CREATE TABLE "Allowance" (
    "courseId" TEXT COLLATE "C" NOT NULL,
    "userId" TEXT COLLATE "C" NOT NULL,
    "kind" TEXT COLLATE "C" NOT NULL,
    "used" BIGINT NOT NULL,
    "at" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Allowance_pkey" PRIMARY KEY ("courseId", "userId", "kind")
);
