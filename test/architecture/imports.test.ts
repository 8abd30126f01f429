/** Who may import whom. Type-only imports count unless a rule says otherwise: they tie just as well. */
import { describe, expect, test } from "vitest";
import { layers, mayImportHardware, siblings } from "../../kernel/layers.ts";
import { type Import, importsOf, sourcesIn } from "./sources.ts";

const kernel = sourcesIn("kernel").filter(({ path }) => !path.includes("/assembly/"));
const api = sourcesIn("api");
const show = ({ from, line, target }: Import): string => `${from}:${line} imports ${target}`;
const importsIn = (sources: typeof kernel): Import[] => sources.flatMap(importsOf);

/** The kernel's public faces: they show what is below, and nothing below sees them. */
const faces = ["kernel/index.ts", "kernel/catalogue.ts", "kernel/content.ts", "kernel/layers.ts"];

const areas = layers.flat();
/** The most exact area that a file of the kernel lies in. */
const areaOf = (path: string): string =>
  areas
    .filter((area) => path.startsWith(`kernel/${area}/`))
    .reduce((best, area) => (area.length > best.length ? area : best), "");
const levelOf = (area: string): number => layers.findIndex((level) => level.includes(area));

const inside = importsIn(kernel.filter(({ path }) => !faces.includes(path)));

describe("inside the kernel", () => {
  test("every file lies in an area of the layer table", () => {
    expect(kernel.map(({ path }) => path).filter((path) => !faces.includes(path) && areaOf(path) === "")).toEqual([]);
  });

  test("a file imports only its own area, lower levels, and neighbours of its level without a circle", () => {
    const wrong = inside.filter(
      ({ from, target, isFile }) => isFile && levelOf(areaOf(target)) > levelOf(areaOf(from)),
    );
    expect(wrong.map(show)).toEqual([]);
    const neighbours = inside.filter(({ from, target, isFile }) => {
      return isFile && areaOf(from) !== areaOf(target) && levelOf(areaOf(from)) === levelOf(areaOf(target));
    });
    const pairs = new Set(neighbours.map(({ from, target }) => `${areaOf(from)} ${areaOf(target)}`));
    const circles = [...pairs].filter((pair) => pairs.has(pair.split(" ").reverse().join(" ")));
    expect(circles).toEqual([]);
  });

  test("only kernel files are imported: no package, nothing of Node, nothing of the server", () => {
    expect(
      importsIn(kernel)
        .filter(({ target, isFile }) => !isFile || !target.startsWith("kernel/"))
        .map(show),
    ).toEqual([]);
  });

  test("nothing imports the public faces", () => {
    expect(inside.filter(({ target }) => faces.includes(target)).map(show)).toEqual([]);
  });

  test("siblings never import each other", () => {
    const childOf = (folder: string, path: string): string | null => {
      const [, child] = path.startsWith(`kernel/${folder}/`)
        ? path.slice("kernel/".length + folder.length).split("/")
        : [];
      return child === undefined || child.endsWith(".ts") || child === "common" || child === "define" ? null : child;
    };
    const wrong = inside.filter(({ from, target }) =>
      siblings.some((folder) => {
        const [one, other] = [childOf(folder, from), childOf(folder, target)];
        return one !== null && other !== null && one !== other;
      }),
    );
    expect(wrong.map(show)).toEqual([]);
  });

  test("hardware is seen by those only that the table lists", () => {
    const wrong = inside.filter(
      ({ from, target }) => target.startsWith("kernel/hardware/") && !mayImportHardware.includes(areaOf(from)),
    );
    expect(wrong.map(show)).toEqual([]);
  });

  test("concrete things (an instruction set, a personality's table) are named by machine/catalogue.ts alone", () => {
    const concrete = [
      /^kernel\/hal\/([^/]+)\//,
      /^kernel\/hardware\/cpu\/([^/]+)\//,
      /^kernel\/abi\/(?!define)([^/]+)\/table\.ts$/,
    ];
    const wrong = inside.filter(({ from, target }) => {
      const folder = concrete
        .map((pattern) => pattern.exec(target)?.[0].replace(/table\.ts$/, ""))
        .find((found) => found !== undefined);
      return (
        folder !== undefined &&
        !from.startsWith(folder) &&
        from !== "kernel/machine/catalogue.ts" &&
        from !== "kernel/abi/catalogue.ts"
      );
    });
    expect(wrong.map(show)).toEqual([]);
  });

  test("devices are seen by the platform, the HAL and the machine alone", () => {
    const wrong = inside.filter(({ from, target }) => {
      const device = /^kernel\/hardware\/(?!cpu\/core|memory|clock|bus)[^/]+\//.exec(target)?.[0];
      return device !== undefined && !from.startsWith(device) && !["hardware", "hal", "machine"].includes(areaOf(from));
    });
    expect(wrong.map(show)).toEqual([]);
  });
});

describe("the server", () => {
  const ofKernel = importsIn(api).filter(({ target }) => target.startsWith("kernel/"));
  const below = (folder: string, path: string): boolean =>
    path.startsWith(`api/${folder}/`) || path === `api/${folder}.ts`;

  test("sees of the kernel its faces and the trace vocabulary alone", () => {
    const open = ["kernel/index.ts", "kernel/catalogue.ts", "kernel/content.ts", "kernel/trace/index.ts"];
    expect(ofKernel.filter(({ target }) => !open.includes(target)).map(show)).toEqual([]);
  });

  test("runs kernels in hosting/worker alone; others take types", () => {
    const running = ofKernel.filter(({ target, typeOnly }) => target === "kernel/index.ts" && !typeOnly);
    expect(running.filter(({ from }) => !below("hosting/worker", from)).map(show)).toEqual([]);
  });

  test("knows traces, not machines, in tracing", () => {
    const wrong = ofKernel.filter(({ from, target }) => below("tracing", from) && target !== "kernel/trace/index.ts");
    expect(wrong.map(show)).toEqual([]);
  });

  const onlyIn = (pattern: RegExp, folders: readonly string[]): string[] =>
    importsIn(api)
      .filter(({ target, from }) => pattern.test(target) && !folders.some((folder) => below(folder, from)))
      .map(show);

  test("talks to the database in store alone", () => {
    expect(onlyIn(/^@prisma\/|^prisma\/gen\//, ["store"])).toEqual([]);
  });

  test("uses fastify in rest alone", () => {
    expect(onlyIn(/^@?fastify\b/, ["rest", "server"])).toEqual([]);
  });

  test("uses the metrics library in telemetry alone", () => {
    expect(onlyIn(/^prom-client$/, ["telemetry"])).toEqual([]);
  });

  test("uses OpenTelemetry in telemetry alone", () => {
    expect(onlyIn(/^@opentelemetry\//, ["telemetry"])).toEqual([]);
  });

  test("uses grpc-js in grpc alone, and in the command line's client", () => {
    expect(onlyIn(/^@grpc\//, ["grpc", "cli"])).toEqual([]);
  });

  test("keeps its transports apart from each other, from hosting and from the store", () => {
    const transports = ["rest", "grpc", "console"];
    const wrong = importsIn(api).filter(({ from, target }) => {
      const own = transports.find((folder) => below(folder, from));
      return (
        own !== undefined &&
        [...transports, "hosting", "store"].some((folder) => folder !== own && below(folder, target))
      );
    });
    expect(wrong.map(show)).toEqual([]);
  });

  test("imports downwards only: store and hosting know no service, services know no transport", () => {
    const order = [
      ["store", "auth"],
      ["tracing", "drawing"],
      ["hosting"],
      ["grading"],
      ["services"],
      ["rest", "grpc", "console"],
    ];
    const levelOfFile = (path: string): number =>
      order.findIndex((folders) => folders.some((folder) => below(folder, path)));
    const wrong = importsIn(api).filter(
      ({ from, target, isFile }) => isFile && levelOfFile(from) >= 0 && levelOfFile(target) > levelOfFile(from),
    );
    expect(wrong.map(show)).toEqual([]);
  });
});
