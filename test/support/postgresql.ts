/** PostgreSQL for tests: a cluster of its own in a temporary directory, on a socket there, without a port. */
import { spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FOLDER = "/usr/lib/postgresql";
const OWNER = "ostler";

/** Where the programs of the newest PostgreSQL are; null: there is none. */
function programs(): string | null {
  if (!existsSync(FOLDER)) return null;
  const versions = readdirSync(FOLDER).sort((a, b) => Number(b) - Number(a));
  const found = versions.map((version) => join(FOLDER, version, "bin")).find((bin) => existsSync(join(bin, "initdb")));
  return found ?? null;
}

export const postgresqlPrograms = programs();
export const withoutPostgresql = "needs PostgreSQL's server programs: sudo apt-get install postgresql";

/** A root that runs the tests may not run the database: it then belongs to the user of the distribution's own cluster. */
function databaseUser(): { uid: number; gid: number } | null {
  if (process.getuid?.() !== 0) return null;
  const [uid, gid] = ["-u", "-g"].map((flag) =>
    Number(spawnSync("id", [flag, "postgres"], { encoding: "utf8" }).stdout),
  );
  return { uid: uid!, gid: gid! };
}

export class Cluster {
  readonly #folder: string;
  readonly #user = databaseUser();
  readonly #settings: string;

  private constructor(durable: boolean) {
    this.#settings = durable ? "" : "-c fsync=off -c full_page_writes=off";
    this.#folder = mkdtempSync(join(tmpdir(), "ostler-postgresql-"));
    if (this.#user !== null) chownSync(this.#folder, this.#user.uid, this.#user.gid);
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
    this.#run("pg_ctl", ["--pgdata", this.#data, "--wait", "--silent", "--log", log, "--options", options, "start"]);
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

  remove(): void {
    this.stop("immediate");
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #run(program: string, args: string[]): string {
    const done = spawnSync(join(postgresqlPrograms!, program), args, {
      cwd: this.#folder,
      encoding: "utf8",
      // What is left running must not hold a pipe of ours.
      stdio: program === "pg_ctl" ? "ignore" : "pipe",
      ...this.#user,
    });
    if (done.status !== 0) throw new Error(`${program} ${args.join(" ")} failed:\n${done.stdout}${done.stderr}`);
    return done.stdout ?? "";
  }
}
