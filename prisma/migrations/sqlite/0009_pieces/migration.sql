-- CreateTable
CREATE TABLE "Pieces" (
    "hash" BLOB NOT NULL PRIMARY KEY,
    "size" BIGINT NOT NULL,
    "list" BLOB NOT NULL,
    "listHash" BLOB NOT NULL,
    CONSTRAINT "Pieces_hash_fkey" FOREIGN KEY ("hash") REFERENCES "Blob" ("hash") ON DELETE CASCADE ON UPDATE RESTRICT
);
