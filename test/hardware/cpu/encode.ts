/** Instruction formats and executables, put together by hand. */

export const rType = (op: number, f3: number, f7: number, rd: number, rs1: number, rs2: number): number =>
  (f7 << 25) | (rs2 << 20) | (rs1 << 15) | (f3 << 12) | (rd << 7) | op;
export const iType = (op: number, f3: number, rd: number, rs1: number, imm: number): number =>
  ((imm & 0xfff) << 20) | (rs1 << 15) | (f3 << 12) | (rd << 7) | op;
export const sType = (op: number, f3: number, rs1: number, rs2: number, imm: number): number =>
  (((imm >> 5) & 0x7f) << 25) | (rs2 << 20) | (rs1 << 15) | (f3 << 12) | ((imm & 31) << 7) | op;
export const bType = (f3: number, rs1: number, rs2: number, imm: number): number =>
  (((imm >> 12) & 1) << 31) |
  (((imm >> 5) & 63) << 25) |
  (rs2 << 20) |
  (rs1 << 15) |
  (f3 << 12) |
  (((imm >> 1) & 15) << 8) |
  (((imm >> 11) & 1) << 7) |
  0x63;
export const jType = (rd: number, imm: number): number =>
  (((imm >> 20) & 1) << 31) |
  (((imm >> 1) & 0x3ff) << 21) |
  (((imm >> 11) & 1) << 20) |
  (((imm >> 12) & 255) << 12) |
  (rd << 7) |
  0x6f;

/** A static executable with these segments, all readable, writable and executable. */
export function buildElf(segments: { address: number; bytes: Uint8Array; size: number }[]): Uint8Array {
  const headers = 64 + 56 * segments.length;
  let at = Math.ceil(headers / 4096) * 4096;
  const placed = segments.map((segment) => {
    const offset = segment.bytes.length ? at + (segment.address % 4096) : segment.address % 4096;
    if (segment.bytes.length) at = Math.ceil((offset + segment.bytes.length) / 4096) * 4096;
    return { ...segment, offset };
  });
  const out = new Uint8Array(at + 4096);
  const view = new DataView(out.buffer);
  out.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, 243, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(segments[0]!.address), true);
  view.setBigUint64(32, 64n, true);
  view.setUint32(48, 5, true); // RVC and double-float ABI
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, segments.length, true);
  placed.forEach((segment, i) => {
    const header = 64 + 56 * i;
    view.setUint32(header, 1, true);
    view.setUint32(header + 4, 7, true);
    const fields = [segment.offset, segment.address, segment.address, segment.bytes.length, segment.size, 4096];
    for (const [k, value] of fields.entries()) view.setBigUint64(header + 8 + 8 * k, BigInt(value), true);
    out.set(segment.bytes, segment.offset);
  });
  return out;
}
