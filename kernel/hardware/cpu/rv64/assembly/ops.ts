/**
 * Operations of decoded records. The order matters in three places only: `None` is what zeroed memory means, everything
 * from `FIRST_TERMINATOR` on ends a straight line, and the dispatch loop wants the numbers dense.
 */
export const enum Op {
  /** Not decoded yet, or past the end of the page. */
  None,
  /** Planted by the dispatch loop where the budget runs out in the middle of a straight line. */
  Stop,
  Nop,
  // RV64I, register-immediate.
  Li, Auipc, Mv, Addi, Slti, Sltiu, Xori, Ori, Andi, Slli, Srli, Srai, Addiw, Slliw, Srliw, Sraiw,
  // RV64I, register-register.
  Add, Sub, Sll, Slt, Sltu, Xor, Srl, Sra, Or, And, Addw, Subw, Sllw, Srlw, Sraw,
  // M.
  Mul, Mulh, Mulhsu, Mulhu, Div, Divu, Rem, Remu, Mulw, Divw, Divuw, Remw, Remuw,
  // Zba.
  Sh1add, Sh2add, Sh3add, AddUw, Sh1addUw, Sh2addUw, Sh3addUw, SlliUw,
  // Zbb.
  Andn, Orn, Xnor, Clz, Ctz, Cpop, Clzw, Ctzw, Cpopw, Max, Maxu, Min, Minu, SextB, SextH, ZextH,
  Rol, Ror, Rori, Rolw, Rorw, Roriw, OrcB, Rev8,
  // Zbs.
  Bclr, Bext, Binv, Bset, Bclri, Bexti, Binvi, Bseti,
  // Loads and stores; Fld, Fsd and Fsw are Ld, Sd and Sw with a floating-point register's offset.
  Lb, Lh, Lw, Ld, Lbu, Lhu, Lwu, Flw, Sb, Sh, Sw, Sd,
  // Floating point with a fast path in the dispatch loop; imm holds the instruction for the exact path.
  FaddD, FsubD, FmulD, FmaddD, FaddS, FsubS, FmulS, FmaddS,
  FsgnjD, FsgnjnD, FsgnjxD, FeqD, FltD, FleD, FcvtDW, FmvWX,
  // Compressed forms of what is above. They do the same: the length is in the operation, so that where the next record is
  // does not wait for a load.
  LiC, MvC, AddiC, AndiC, SlliC, SrliC, SraiC, AddiwC, AddC, SubC, XorC, OrC, AndC, AddwC, SubwC, LwC, LdC, SwC, SdC,
  // Out of line; imm holds the instruction.
  Float, FloatGuarded, Atomic, Csr, System,
  // Terminators.
  Jump, Jal, JalFar, Jr, Jalr, Beq, Bne, Blt, Bge, Bltu, Bgeu, BeqFar, BneFar, BltFar, BgeFar, BltuFar, BgeuFar,
  BeqC, BneC, BeqFarC, BneFarC,
  Ecall, Ebreak, Illegal, Straddle,
}

export const FIRST_TERMINATOR: i32 = Op.Jump;
