/** Ports for servers that are killed and have to come back at the same address. */
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

/** From here on the host gives ports to whoever does not ask for one: any connection may have them in between. */
function firstGivenOut(): number {
  try {
    return Number(readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").split(/\s+/)[0]);
  } catch {
    return 32_768;
  }
}

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });

/** One that nobody has, and that nobody gets who does not ask for it. */
export async function freePort(): Promise<number> {
  const last = Math.max(firstGivenOut() - 1, 12_000);
  for (;;) {
    const port = last - Math.floor(Math.random() * 10_000);
    if (await listens(port)) return port;
  }
}
