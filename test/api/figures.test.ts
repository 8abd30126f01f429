/** The figures follow Prometheus' conventions, and the alerts and the dashboard ask for figures that there are. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { startServer, type TestServer } from "../support/server.ts";

interface Family {
  type: string;
  help: string;
  samples: { name: string; labels: Record<string, string>; value: number }[];
}

/** The text format as Prometheus specifies it: HELP and TYPE of a family, then all of its samples. Throws on anything else. */
function parse(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  let current = { name: "", family: { type: "", help: "", samples: [] } as Family };
  for (const line of text.split("\n").filter((each) => each !== "")) {
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.+)$/.exec(line);
    if (comment !== null) {
      const [, kind, name, rest] = comment as unknown as [string, string, string, string];
      if (kind === "HELP") {
        if (families.has(name)) throw new Error(`${name} is there twice`);
        current = { name, family: { type: "", help: rest, samples: [] } };
        families.set(name, current.family);
      } else if (name === current.name) current.family.type = rest;
      else throw new Error(`a type without help: ${line}`);
      continue;
    }
    const sample = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (NaN|[+-]?Inf|-?[\d.e+-]+)$/.exec(line);
    if (sample === null) throw new Error(`not a sample: ${line}`);
    const [, name, labels = "", value] = sample as unknown as [string, string, string | undefined, string];
    if (name.replace(/_(bucket|sum|count)$/, "") !== current.name && name !== current.name)
      throw new Error(`outside of its family: ${line}`);
    current.family.samples.push({ name, labels: labelsOf(labels), value: Number(value.replace("Inf", "Infinity")) });
  }
  return families;
}

function labelsOf(text: string): Record<string, string> {
  const pairs = [...text.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)",?/g)];
  if (pairs.map(([whole]) => whole).join("") !== text) throw new Error(`not labels: ${text}`);
  return Object.fromEntries(pairs.map(([, name, value]) => [name, value]));
}

let server: TestServer;
let families: Map<string, Family>;

beforeAll(async () => {
  server = await startServer({ metrics: "open", workers: 1, machinesPerUser: 1 });
  const client = server.client("rest");
  await client.call(MachineService, "createMachine", {});
  await expect(client.call(MachineService, "createMachine", {})).rejects.toMatchObject({ reason: "TOO_MANY_MACHINES" });
  families = parse(await (await fetch(`${server.http}/metrics`)).text());
});
afterAll(() => server.stop());

test("names say the unit and the kind, and everything is explained", () => {
  const own = [...families].filter(([name]) => name.startsWith("ostler_"));
  expect(own.length).toBeGreaterThan(12);
  for (const [name, { type, help }] of own) {
    expect([name, help]).toEqual([name, expect.stringMatching(/^[A-Z].*\.$/)]);
    expect(["counter", "gauge", "histogram"]).toContain(type);
    expect([name, type === "counter"]).toEqual([name, name.endsWith("_total")]);
    expect(name).not.toMatch(/_(ms|millis|milliseconds|minutes|hours|kb|mb|mib|kib|count|bucket|sum)(_total)?$/);
    expect(name).not.toMatch(new RegExp(`_${type}(_|$)`));
    if (type === "histogram") expect(name).toMatch(/_(seconds|bytes)$/);
  }
});

test("buckets of a histogram do not fall, and the last one has all", () => {
  for (const [name, { type, samples }] of families) {
    if (type !== "histogram") continue;
    const series = new Map<string, number[]>();
    for (const sample of samples.filter((each) => each.name === `${name}_bucket`)) {
      const { le: _, ...labels } = sample.labels;
      const key = JSON.stringify(labels);
      series.set(key, [...(series.get(key) ?? []), sample.value]);
    }
    for (const [key, counts] of series) {
      expect(counts).toEqual(counts.toSorted((a, b) => a - b));
      const count = samples.find((each) => each.name === `${name}_count` && JSON.stringify(each.labels) === key);
      expect(counts.at(-1)).toBe(count?.value);
    }
  }
});

const file = (name: string) => readFileSync(new URL(`../../deploy/monitoring/${name}`, import.meta.url), "utf8");
const alerts = [...file("alerts.yaml").matchAll(/- alert: (\w+)\n +expr: (.+)\n/g)];
const dashboard = JSON.parse(file("dashboard.json")) as { panels: { title: string; targets: { expr: string }[] }[] };
const queries: [string, string][] = [
  ...alerts.map(([, name, expr]) => [name!, expr!] as [string, string]),
  ...dashboard.panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as [string, string])),
];

test("every alert and every panel has a query", () => {
  expect(alerts.length).toBe(file("alerts.yaml").match(/- alert:/g)?.length);
  expect(dashboard.panels.every(({ targets }) => targets.length > 0)).toBe(true);
});

test.each(queries)("%s asks for figures that there are: %s", (_name, query) => {
  const asked = [...query.matchAll(/\b((?:ostler|process|nodejs)_\w+)(?:\{([^}]*)\})?/g)];
  expect(asked.length > 0 || query.startsWith("up{")).toBe(true);
  for (const [, name, matchers = ""] of asked) {
    const family = families.get(name!) ?? families.get(name!.replace(/_(bucket|sum|count)$/, ""));
    expect(family, name).toBeDefined();
    const labels = new Set(family!.samples.flatMap((sample) => Object.keys(sample.labels)));
    for (const [, label] of matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)) expect([...labels]).toContain(label);
  }
  expect(query.match(/\(/g)?.length).toBe(query.match(/\)/g)?.length);
});
