/**
 * What the assembler may be told. The compiler copies inline assembly, section and symbol names into its output
 * as they are, so a source can put any directive there: .incbin and .include read files, and macros can spell
 * either. Hence a list of what is allowed, not of what is forbidden, over the whole assembly file.
 *
 * The reading below must never take for a string or a comment what the assembler takes for a statement. So it
 * accepts only lines about which there can be no doubt: strings end on their line, no block comments, no
 * backslash or backquote outside strings, character constants only as 'x'. Everything else is refused.
 */
import { SOURCE_NAME, SourceRefused } from "./source.ts";

const DIRECTIVES = new Set(
  `2byte 4byte 8byte align ascii asciz attribute balign bss byte comm common data dc double dtpreldword dtprelword dword
  eqv equ equiv fill float file global globl half hidden ident insn int internal lcomm loc local long octa option org
  p2align popsection previous protected pushsection quad rodata section set short single size skip sleb128 space string
  string8 symver tbss tdata text type uleb128 variant_cc weak weakref word zero base64
  cfi_adjust_cfa_offset cfi_def_cfa cfi_def_cfa_offset cfi_def_cfa_register cfi_endproc cfi_escape cfi_lsda cfi_offset
  cfi_personality cfi_rel_offset cfi_remember_state cfi_restore cfi_restore_state cfi_return_column cfi_same_value
  cfi_sections cfi_signal_frame cfi_startproc cfi_undefined cfi_val_offset cfi_window_save`.split(/\s+/),
);
/** Directives whose operands are strings. Nowhere else does a string stand in assembly for this machine. */
const WITH_STRINGS = new Set(
  "ascii asciz string string8 ident file section pushsection base64 attribute type".split(" "),
);
/** Sections whose content the linker or its plugin takes for instructions to itself. */
const READ_BY_LINKER = /\.gnu\.(lto_|warning)|\.llvm|\.deplibs|\.drectve/i;
const NAME = /^[A-Za-z_.$0-9\u0080-\uffff]+/;

/** `text` is the compiler's assembly output as latin1 text. */
export function assertAssembly(text: string): void {
  if (READ_BY_LINKER.test(text)) throw refused("names a section that is meant for the linker itself");
  for (const line of text.split("\n")) {
    for (const statement of statementsOf(line)) assertStatement(statement);
  }
}

const refused = (what: string): SourceRefused =>
  new SourceRefused(`${SOURCE_NAME}: its assembly ${what}, which submissions may not do.`);

/** Statements of one line with strings and character constants replaced by `"` and `0`, comments cut off. */
function statementsOf(line: string): string[] {
  let plain = "";
  for (let at = 0; at < line.length; ) {
    const rest = line.slice(at);
    const char = line[at]!;
    if (char === "#") break;
    const quoted =
      char === '"' ? /^"(?:[^"\\]|\\.)*"/.exec(rest) : char === "'" ? /^'[A-Za-z0-9 +*_.,:!?-]'/.exec(rest) : null;
    if (quoted !== null) {
      plain += char === '"' ? '"' : "0";
      at += quoted[0].length;
      continue;
    }
    if (/[^\t -~\u0080-\uffff]|["'\\`]/.test(char) || rest.startsWith("/*")) {
      throw refused(`has a line that cannot be judged (${JSON.stringify(line.trim().slice(0, 80))})`);
    }
    plain += char;
    at += 1;
  }
  return plain.split(";").map((statement) => statement.trim());
}

function assertStatement(statement: string): void {
  let rest = statement;
  for (
    let label = /^[A-Za-z_.$0-9\u0080-\uffff]+\s*:\s*/.exec(rest);
    label !== null;
    label = /^[A-Za-z_.$0-9\u0080-\uffff]+\s*:\s*/.exec(rest)
  ) {
    rest = rest.slice(label[0].length);
  }
  if (rest === "") return;
  const mnemonic = NAME.exec(rest)?.[0].toLowerCase();
  if (mnemonic === undefined) throw refused(`has a statement that is none (${JSON.stringify(rest.slice(0, 80))})`);
  const directive = mnemonic.startsWith(".") ? mnemonic.slice(1) : null;
  if (/^\s*=/.test(rest.slice(mnemonic.length))) return;
  if (directive !== null && !DIRECTIVES.has(directive)) throw refused(`uses the directive ${mnemonic}`);
  if (rest.includes('"') && !(directive !== null && WITH_STRINGS.has(directive)))
    throw refused(`gives a string to ${mnemonic}`);
}
