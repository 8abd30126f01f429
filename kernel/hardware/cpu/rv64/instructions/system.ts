/**
 * Instructions whose meaning is no expression: of control and status registers, of privileged modes, and fences. It is the
 * interpreter's (assembly/csr.ts, system.ts, run.ts), to which translated code leaves them, all but those of floating
 * point's flags; the fences of memory mean nothing where one hart runs at a time and stores to code are noticed.
 */
import { type Encoding, encoding, FUNCT3 } from "./encoding.ts";
import { forms } from "./form.ts";

const SYSTEM = 0x73;
const MISC_MEM = 0x0f;
const ALL = -1;

export const systemInstructions: readonly Encoding[] = [
  encoding("Nop", "fence.tso", forms.ignored, ALL, 0x83300000 | MISC_MEM),
  encoding("Nop", "fence", forms.order, FUNCT3, MISC_MEM),
  encoding("Nop", "fence.i", forms.ignored, FUNCT3, (1 << 12) | MISC_MEM),
  encoding("Ecall", "ecall", forms.nothing, ALL, SYSTEM),
  encoding("Ebreak", "ebreak", forms.nothing, ALL, (1 << 20) | SYSTEM),
  encoding("System", "sret", forms.nothing, ALL, (0x102 << 20) | SYSTEM),
  encoding("System", "mret", forms.nothing, ALL, (0x302 << 20) | SYSTEM),
  encoding("System", "wfi", forms.nothing, ALL, (0x105 << 20) | SYSTEM),
  encoding("System", "sfence.vma", forms.fence, (0x7f << 25) | 0x7f80, (0x09 << 25) | SYSTEM),
  encoding("Csr", "csrrw", forms.csr, FUNCT3, (1 << 12) | SYSTEM),
  encoding("Csr", "csrrs", forms.csr, FUNCT3, (2 << 12) | SYSTEM),
  encoding("Csr", "csrrc", forms.csr, FUNCT3, (3 << 12) | SYSTEM),
  encoding("Csr", "csrrwi", forms.csrImmediate, FUNCT3, (5 << 12) | SYSTEM),
  encoding("Csr", "csrrsi", forms.csrImmediate, FUNCT3, (6 << 12) | SYSTEM),
  encoding("Csr", "csrrci", forms.csrImmediate, FUNCT3, (7 << 12) | SYSTEM),
];
