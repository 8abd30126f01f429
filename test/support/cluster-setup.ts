/** Set-up of a run on PostgreSQL: one cluster for all its files. */
import process from "node:process";
import { Cluster } from "./postgresql.ts";

export function setup(): () => void {
  const cluster = Cluster.start();
  process.env["OSTLER_TEST_CLUSTER"] = cluster.url("postgres");
  return () => cluster.remove();
}
