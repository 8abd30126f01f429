-- CreateTable
CREATE TABLE "Tenure" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "number" BIGINT NOT NULL
);
