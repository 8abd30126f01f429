/**
 * The operations of decoded records, in the order of assembly/ops.ts, whose numbers a record holds
 * (test/hardware/cpu/translate compares the two lists).
 */
const inOrder = [
  ["None", "Stop", "Nop"],
  ["Li", "Auipc", "Mv", "Addi", "Slti", "Sltiu", "Xori", "Ori", "Andi", "Slli", "Srli", "Srai"],
  ["Addiw", "Slliw", "Srliw", "Sraiw"],
  ["Add", "Sub", "Sll", "Slt", "Sltu", "Xor", "Srl", "Sra", "Or", "And", "Addw", "Subw", "Sllw", "Srlw", "Sraw"],
  ["Mul", "Mulh", "Mulhsu", "Mulhu", "Div", "Divu", "Rem", "Remu", "Mulw", "Divw", "Divuw", "Remw", "Remuw"],
  ["Sh1add", "Sh2add", "Sh3add", "AddUw", "Sh1addUw", "Sh2addUw", "Sh3addUw", "SlliUw"],
  ["Andn", "Orn", "Xnor", "Clz", "Ctz", "Cpop", "Clzw", "Ctzw", "Cpopw", "Max", "Maxu", "Min", "Minu"],
  ["SextB", "SextH", "ZextH", "Rol", "Ror", "Rori", "Rolw", "Rorw", "Roriw", "OrcB", "Rev8"],
  ["Bclr", "Bext", "Binv", "Bset", "Bclri", "Bexti", "Binvi", "Bseti"],
  ["Lb", "Lh", "Lw", "Ld", "Lbu", "Lhu", "Lwu", "Flw", "Sb", "Sh", "Sw", "Sd"],
  ["FaddD", "FsubD", "FmulD", "FmaddD", "FaddS", "FsubS", "FmulS", "FmaddS"],
  ["FsgnjD", "FsgnjnD", "FsgnjxD", "FeqD", "FltD", "FleD", "FcvtDW", "FmvWX"],
  ["LiC", "MvC", "AddiC", "AndiC", "SlliC", "SrliC", "SraiC", "AddiwC", "AddC", "SubC", "XorC", "OrC", "AndC"],
  ["AddwC", "SubwC", "LwC", "LdC", "SwC", "SdC"],
  ["Float", "FloatGuarded", "Atomic", "Csr", "System"],
  ["Jump", "Jal", "JalFar", "Jr", "Jalr", "Beq", "Bne", "Blt", "Bge", "Bltu", "Bgeu"],
  ["BeqFar", "BneFar", "BltFar", "BgeFar", "BltuFar", "BgeuFar"],
  ["BeqC", "BneC", "BeqFarC", "BneFarC"],
  ["Ecall", "Ebreak", "Illegal", "Straddle"],
] as const;

type RecordedName = (typeof inOrder)[number][number];
/** What a record's number is called; compressed forms have a C at the end. */
export const recordedNames: readonly RecordedName[] = inOrder.flat();

/** An operation, whatever the length of its instruction. */
export type OpName = Exclude<RecordedName, `${string}C`>;
/** The operation of each of a record's numbers. */
export const opNames = recordedNames.map((name) => name.replace(/C$/, "")) as readonly OpName[];
