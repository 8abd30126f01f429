/**
 * The encodings of the C extension (unprivileged specification, chapter 27): each is another form of an instruction that
 * has its meaning in table.ts or float.ts. Reserved encodings are no row, HINTs fall out as operations on the sink.
 */
import type { Encoding } from "./encoding.ts";
import { type Form, compressedForms as forms } from "./form.ts";
import type { OpName } from "./operations.ts";

const row = (
  op: OpName,
  mnemonic: string,
  form: Form,
  mask: number,
  match: number,
  nonzero: number | undefined = undefined,
): Encoding => ({ op, mnemonic, form, mask, match, ...(nonzero !== undefined && { nonzero }) });

/** Quadrant and funct3. */
const KIND = 0xe003;
/** Fields of which some encodings may not be 0. */
const RD = 0xf80;
const OTHER = 0x7c;
const SIX = 0x107c;

const quadrant0: readonly Encoding[] = [
  row("Addi", "c.addi4spn", forms.addToStack, KIND, 0x0000, 0x1fe0),
  row("Ld", "c.fld", forms.loadDoubleFloat, KIND, 0x2000),
  row("Lw", "c.lw", forms.loadWord, KIND, 0x4000),
  row("Ld", "c.ld", forms.loadDouble, KIND, 0x6000),
  row("Sd", "c.fsd", forms.storeDoubleFloat, KIND, 0xa000),
  row("Sw", "c.sw", forms.storeWord, KIND, 0xc000),
  row("Sd", "c.sd", forms.storeDouble, KIND, 0xe000),
];

const quadrant1: readonly Encoding[] = [
  row("Addi", "c.nop", forms.nop, 0xffff, 0x0001),
  row("Addi", "c.addi", forms.addImmediate, KIND, 0x0001),
  row("Addiw", "c.addiw", forms.addImmediate, KIND, 0x2001, RD),
  row("Li", "c.li", forms.six, KIND, 0x4001),
  row("Addi", "c.addi16sp", forms.moveStack, KIND | RD, 0x6101, SIX),
  row("Li", "c.lui", forms.upperSix, KIND, 0x6001, SIX),
  row("Srli", "c.srli", forms.shiftHigh, KIND | 0xc00, 0x8001),
  row("Srai", "c.srai", forms.shiftHigh, KIND | 0xc00, 0x8401),
  row("Andi", "c.andi", forms.andHigh, KIND | 0xc00, 0x8801),
  row("Sub", "c.sub", forms.combineHigh, KIND | 0x1c60, 0x8c01),
  row("Xor", "c.xor", forms.combineHigh, KIND | 0x1c60, 0x8c21),
  row("Or", "c.or", forms.combineHigh, KIND | 0x1c60, 0x8c41),
  row("And", "c.and", forms.combineHigh, KIND | 0x1c60, 0x8c61),
  row("Subw", "c.subw", forms.combineHigh, KIND | 0x1c60, 0x9c01),
  row("Addw", "c.addw", forms.combineHigh, KIND | 0x1c60, 0x9c21),
  row("Jal", "c.j", forms.jumpWithout, KIND, 0xa001),
  row("Beq", "c.beqz", forms.branchOnZero, KIND, 0xc001),
  row("Bne", "c.bnez", forms.branchOnZero, KIND, 0xe001),
];

const quadrant2: readonly Encoding[] = [
  row("Slli", "c.slli", forms.shiftAmount, KIND, 0x0002),
  row("Ld", "c.fldsp", forms.loadDoubleFloatStack, KIND, 0x2002),
  row("Lw", "c.lwsp", forms.loadWordStack, KIND, 0x4002, RD),
  row("Ld", "c.ldsp", forms.loadDoubleStack, KIND, 0x6002, RD),
  row("Jalr", "c.jr", forms.jumpRegister, 0xf07f, 0x8002, RD),
  row("Mv", "c.mv", forms.move, 0xf003, 0x8002, OTHER),
  row("Ebreak", "c.ebreak", forms.break, 0xffff, 0x9002),
  row("Jalr", "c.jalr", forms.callRegister, 0xf07f, 0x9002, RD),
  row("Add", "c.add", forms.combine, 0xf003, 0x9002, OTHER),
  row("Sd", "c.fsdsp", forms.storeDoubleFloatStack, KIND, 0xa002),
  row("Sw", "c.swsp", forms.storeWordStack, KIND, 0xc002),
  row("Sd", "c.sdsp", forms.storeDoubleStack, KIND, 0xe002),
];

export const compressedInstructions: readonly Encoding[] = [...quadrant0, ...quadrant1, ...quadrant2];
