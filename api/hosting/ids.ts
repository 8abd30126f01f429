/** Names of machines and snapshots. */

/** Sortable by time, unguessable: "m-" + 9 characters of milliseconds + 12 random, base 32. */
export function newId(prefix: string): string {
  const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
  let time = Date.now();
  let head = "";
  for (let i = 0; i < 9; i++) {
    head = alphabet[time % 32] + head;
    time = Math.floor(time / 32);
  }
  const random = crypto.getRandomValues(new Uint8Array(12));
  return `${prefix}-${head}${Array.from(random, (byte) => alphabet[byte % 32]).join("")}`;
}
