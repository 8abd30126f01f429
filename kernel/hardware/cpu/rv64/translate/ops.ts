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
  ["Float", "FloatGuarded", "Atomic", "Csr", "System"],
  ["Jump", "Jal", "JalFar", "Jr", "Jalr", "Beq", "Bne", "Blt", "Bge", "Bltu", "Bgeu"],
  ["BeqFar", "BneFar", "BltFar", "BgeFar", "BltuFar", "BgeuFar"],
  ["Ecall", "Ebreak", "Illegal", "Straddle"],
] as const;

export type OpName = (typeof inOrder)[number][number];
export const opNames: readonly OpName[] = inOrder.flat();
