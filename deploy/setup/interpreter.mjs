// Writes the interpreter's sources as the compiler reads them: kernel/hardware/cpu/rv64/assembly, with what comes from
// the table of instructions put in place (kernel/hardware/cpu/rv64/instructions/interpreter.ts). Part of build.mjs.
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { derived, sources } from "../../kernel/hardware/cpu/rv64/instructions/interpreter.ts";

const core = join(dirname(fileURLToPath(import.meta.url)), "../../kernel/hardware/cpu/rv64");
const [from, to] = [join(core, "assembly"), join(core, "build/assembly")];
const MARK = /^ *\/\* from the table: (.*) \*\/$/gm;

const used = new Set();
rmSync(to, { recursive: true, force: true });
mkdirSync(to, { recursive: true });
for (const name of readdirSync(from, { recursive: true })) {
  if (statSync(join(from, name)).isDirectory()) continue;
  let text = readFileSync(join(from, name), "utf8").replace(MARK, (mark, key) => {
    if ((sources[key] ?? derived[key]) === undefined)
      throw new Error(`${name} asks for ${key}, which the table does not give`);
    used.add(key);
    return sources[key] ?? mark;
  });
  text = text.replace(MARK, (_, key) => derived[key](text));
  mkdirSync(dirname(join(to, name)), { recursive: true });
  writeFileSync(join(to, name), text);
}
const unused = [...Object.keys(sources), ...Object.keys(derived)].filter((key) => !used.has(key));
if (unused.length > 0) throw new Error(`nothing asks for ${unused.join(", ")}`);
