/**
 * The operations of decoded records, in the order of their numbers, which a record holds. The order matters in three
 * places only: `None` is what zeroed memory means, everything from the first of `TERMINATORS` on ends a straight line,
 * and the dispatch loop wants the numbers dense. assembly/ops.ts is made from this list.
 */
const INTEGER = [
  // RV64I, register-immediate and register-register.
  ["Li", "Auipc", "Mv", "Addi", "Slti", "Sltiu", "Xori", "Ori", "Andi", "Slli", "Srli", "Srai"],
  ["Addiw", "Slliw", "Srliw", "Sraiw"],
  ["Add", "Sub", "Sll", "Slt", "Sltu", "Xor", "Srl", "Sra", "Or", "And", "Addw", "Subw", "Sllw", "Srlw", "Sraw"],
  // M.
  ["Mul", "Mulh", "Mulhsu", "Mulhu", "Div", "Divu", "Rem", "Remu", "Mulw", "Divw", "Divuw", "Remw", "Remuw"],
  // Zba, Zbb, Zbs.
  ["Sh1add", "Sh2add", "Sh3add", "AddUw", "Sh1addUw", "Sh2addUw", "Sh3addUw", "SlliUw"],
  ["Andn", "Orn", "Xnor", "Clz", "Ctz", "Cpop", "Clzw", "Ctzw", "Cpopw", "Max", "Maxu", "Min", "Minu"],
  ["SextB", "SextH", "ZextH", "Rol", "Ror", "Rori", "Rolw", "Rorw", "Roriw", "OrcB", "Rev8"],
  ["Bclr", "Bext", "Binv", "Bset", "Bclri", "Bexti", "Binvi", "Bseti"],
] as const;

const OTHERS = [
  // Fld, Fsd and Fsw are Ld, Sd and Sw with a floating-point register's offset.
  ["Lb", "Lh", "Lw", "Ld", "Lbu", "Lhu", "Lwu", "Flw", "Sb", "Sh", "Sw", "Sd"],
  // Floating point with a fast path in the dispatch loop; imm holds the instruction for the exact path.
  ["FaddD", "FsubD", "FmulD", "FmaddD", "FaddS", "FsubS", "FmulS", "FmaddS"],
  ["FsgnjD", "FsgnjnD", "FsgnjxD", "FeqD", "FltD", "FleD", "FcvtDW", "FmvWX"],
  // Compressed forms of what is above. They do the same: the length is in the operation, so that where the next record is
  // does not wait for a load.
  ["LiC", "MvC", "AddiC", "AndiC", "SlliC", "SrliC", "SraiC", "AddiwC", "AddC", "SubC", "XorC", "OrC", "AndC"],
  ["AddwC", "SubwC", "LwC", "LdC", "SwC", "SdC"],
  // Out of line; imm holds the instruction.
  ["Float", "FloatGuarded", "Atomic", "Csr", "System"],
] as const;

const TERMINATORS = [
  ["Jump", "Jal", "JalFar", "Jr", "Jalr", "Beq", "Bne", "Blt", "Bge", "Bltu", "Bgeu"],
  ["BeqFar", "BneFar", "BltFar", "BgeFar", "BltuFar", "BgeuFar"],
  ["BeqC", "BneC", "BeqFarC", "BneFarC"],
  // Straddle: an instruction of which this page has the first half only.
  ["Ecall", "Ebreak", "Illegal", "Straddle"],
] as const;

// None: not decoded yet, or past the end of the page. Stop: planted where the budget runs out within a straight line.
const inOrder = [["None", "Stop", "Nop"], ...INTEGER, ...OTHERS, ...TERMINATORS] as const;

export type RecordedName = (typeof inOrder)[number][number];
/** What a record's number is called; compressed forms have a C at the end. */
export const recordedNames: readonly RecordedName[] = inOrder.flat();
export const firstTerminator: RecordedName = TERMINATORS[0][0];

/** An operation, whatever the length of its instruction. */
export type OpName = Exclude<RecordedName, `${string}C`>;
/** The operation of each of a record's numbers. */
export const opNames = recordedNames.map((name) => name.replace(/C$/, "")) as readonly OpName[];
const recorded: ReadonlySet<string> = new Set(recordedNames);
/** Whether an operation has a compressed form. */
export const isCompressible = (op: OpName): boolean => recorded.has(`${op}C`);
