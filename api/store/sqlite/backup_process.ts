/** node backup_process.ts <database> <copy>: see backup.ts. */
import process from "node:process";
import { adapterFor } from "./adapter.ts";

const [database = "", copy = ""] = process.argv.slice(2);
const connection = await adapterFor(database).connect();
try {
  await connection.executeScript(`VACUUM INTO '${copy.replaceAll("'", "''")}'`);
} finally {
  await connection.dispose();
}
