/** Content that specs name by hash: it must have been uploaded by whoever names it. */
import { invalid } from "../errors.ts";
import type { Owner, Store } from "../store/types.ts";

/** `field` is the message that has the hash. */
export async function sizeOfUpload(store: Store, owner: Owner, hash: string, field: string): Promise<bigint> {
  const program = await store.programs.get(owner, hash);
  if (program === null)
    throw invalid(
      `${field}.content_hash`,
      "no program or file with this hash was uploaded by you; upload it first (POST /v1/programs)",
    );
  return BigInt(program.size);
}
