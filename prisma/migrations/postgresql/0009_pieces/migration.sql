-- CreateTable
CREATE TABLE "Pieces" (
    "hash" BYTEA NOT NULL,
    "size" BIGINT NOT NULL,
    "list" BYTEA NOT NULL,
    "listHash" BYTEA NOT NULL,

    CONSTRAINT "Pieces_pkey" PRIMARY KEY ("hash")
);

-- AddForeignKey
ALTER TABLE "Pieces" ADD CONSTRAINT "Pieces_hash_fkey" FOREIGN KEY ("hash") REFERENCES "Blob"("hash") ON DELETE CASCADE ON UPDATE RESTRICT;
