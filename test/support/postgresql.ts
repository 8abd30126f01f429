/** PostgreSQL for tests: a cluster of its own in a temporary directory, on a socket there, without a port. */
import { spawnSync } from "node:child_process";
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FOLDER = "/usr/lib/postgresql";
const OWNER = "ostler";

/** A root that runs the tests may not run the database: it then belongs to the user of the distribution's own cluster. */
function databaseUser(): { uid: number; gid: number } | undefined | null {
  if (process.getuid?.() !== 0) return undefined;
  const idOf = (flag: string) => Number(spawnSync("id", [flag, "postgres"], { encoding: "utf8" }).stdout.trim() || NaN);
  const [uid, gid] = [idOf("-u"), idOf("-g")];
  return Number.isNaN(uid) || Number.isNaN(gid) ? null : { uid, gid };
}

const user = databaseUser();

/** Where the programs of the newest PostgreSQL are; null: there is none that could be run here. */
function programs(): string | null {
  if (user === null || !existsSync(FOLDER)) return null;
  const versions = readdirSync(FOLDER).sort((a, b) => Number(b) - Number(a));
  const runs = (bin: string) => spawnSync(join(bin, "initdb"), ["--version"], { cwd: tmpdir(), ...user }).status === 0;
  return versions.map((version) => join(FOLDER, version, "bin")).find(runs) ?? null;
}

export const postgresqlPrograms = programs();
export const withoutPostgresql = "needs PostgreSQL's server programs: sudo apt-get install postgresql";

export class Cluster {
  readonly #folder: string;
  readonly #settings: string;
  readonly #mounted: string[] = [];

  private constructor(durable: boolean) {
    this.#settings = durable ? "" : "-c fsync=off -c full_page_writes=off";
    this.#folder = mkdtempSync(join(tmpdir(), "ostler-postgresql-"));
    if (user) chownSync(this.#folder, user.uid, user.gid);
  }

  /** `durable`: it syncs to disk, as one does that is not for tests. */
  static start({ durable = false } = {}): Cluster {
    const cluster = new Cluster(durable);
    const owner = ["--username", OWNER, "--auth", "trust"];
    cluster.#run("initdb", ["--pgdata", cluster.#data, ...owner, "--encoding", "UTF8", "--no-locale", "--no-sync"]);
    cluster.start();
    return cluster;
  }

  get #data(): string {
    return join(this.#folder, "data");
  }

  /** Of a database; it need not exist. */
  url(database: string): string {
    return `postgresql://${OWNER}@localhost/${database}?host=${encodeURIComponent(this.#folder)}`;
  }

  start(): void {
    // A test's database need not outlive the host's power.
    const options = `-c listen_addresses= -c unix_socket_directories=${this.#folder} ${this.#settings}`;
    const log = join(this.#folder, "log");
    this.#run("pg_ctl", [
      "--pgdata",
      this.#data,
      "--wait",
      "--timeout",
      "300",
      "--silent",
      "--log",
      log,
      "--options",
      options,
      "start",
    ]);
  }

  /** "immediate" is a crash: its sessions end in the middle, and it recovers from its log when it starts. */
  stop(mode: "fast" | "immediate"): void {
    this.#run("pg_ctl", ["--pgdata", this.#data, "--wait", "--silent", "--mode", mode, "stop"]);
  }

  sql(database: string, statement: string): string {
    return this.#run("psql", [
      "--host",
      this.#folder,
      "--username",
      OWNER,
      "--tuples-only",
      "--no-align",
      "--command",
      statement,
      database,
    ]);
  }

  /** As an operator would move a database: dumped, whoever writes to it, and restored into a new one. */
  copyByDump(from: string, to: string): void {
    const session = ["--host", this.#folder, "--username", OWNER];
    const file = join(this.#folder, `${from}.dump`);
    this.#run("pg_dump", [...session, "--format=custom", "--file", file, from]);
    this.sql("postgres", `CREATE DATABASE ${to}`);
    this.#run("pg_restore", [...session, "--exit-on-error", "--dbname", to, file]);
  }

  /**
   * A copy of a database, in which a disk has spoilt the first page of what is too long for the rows of a table. It is made
   * by copying files: nothing of it is in the memory of the server.
   */
  copySpoilt(from: string, table: string, to: string): void {
    const toast = `SELECT pg_relation_filepath(reltoastrelid) FROM pg_class WHERE oid = '"${table}"'::regclass`;
    this.sql(from, "CHECKPOINT");
    const file = openSync(join(this.#data, this.sql(from, toast).trim()), "r+");
    writeSync(file, Buffer.alloc(24, 0xff), 0, 24, 0);
    closeSync(file);
    // Before release 15 there was no other way.
    const strategy = Number(this.sql("postgres", "SHOW server_version_num")) >= 150_000 ? "STRATEGY file_copy" : "";
    this.sql("postgres", `CREATE DATABASE ${to} TEMPLATE ${from} ${strategy}`);
  }

  /** A database whose files are on a disk of so many MiB, and the folder of that. False: nobody here may mount one. */
  createOnSmallDisk(database: string, mebibytes: number): string | false {
    const disk = join(this.#folder, "small");
    mkdirSync(disk);
    const options = `size=${mebibytes}m,mode=0777`;
    if (spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", disk]).status !== 0) return false;
    this.#mounted.push(disk);
    const space = join(disk, "space");
    mkdirSync(space, { mode: 0o700 });
    if (user) chownSync(space, user.uid, user.gid);
    this.sql("postgres", `CREATE TABLESPACE small LOCATION '${space}'`);
    this.sql("postgres", `CREATE DATABASE ${database} TABLESPACE small`);
    return disk;
  }

  remove(): void {
    // One that a test left stopped cannot be stopped.
    if (existsSync(join(this.#data, "postmaster.pid"))) this.stop("immediate");
    for (const disk of this.#mounted) spawnSync("umount", [disk]);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #run(program: string, args: string[]): string {
    const done = spawnSync(join(postgresqlPrograms!, program), args, {
      cwd: this.#folder,
      encoding: "utf8",
      // What is left running must not hold a pipe of ours.
      stdio: program === "pg_ctl" ? "ignore" : "pipe",
      ...user,
    });
    if (done.status !== 0) throw new Error(`${program} ${args.join(" ")} failed:\n${done.stdout}${done.stderr}`);
    return done.stdout ?? "";
  }
}
