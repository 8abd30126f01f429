/** From one translated function to another: how what is at an address is found and called (assembly/translated.ts). */
import { CURRENT_FETCH, ENTRIES, FETCH_ENTRIES, JUMPED, PAGE_SIZE } from "../assembly/layout.ts";
import { type Emitter, ENTRY, JUMPING, LEFT } from "./emitter.ts";
import { Wasm } from "./wasm.ts";

const W = Wasm;

/** Puts the page of the fetch-TLB entry for the address in a local on the stack, and the entry's address in ENTRY. */
export function fetchEntry(e: Emitter, address: number): Emitter {
  e.get(address).op(W.i32WrapI64).i32(8).op(W.i32ShrU);
  e.i32((FETCH_ENTRIES - 1) << 4).op(W.i32And);
  e.i32(0).memory(W.i32Load, CURRENT_FETCH).op(W.i32Add).tee(ENTRY);
  return e.memory(W.i64Load, 0);
}

/** The first two arguments of a call to the target. */
export function putArguments(e: Emitter): void {
  e.get(e.target).i64(-PAGE_SIZE).op(W.i64And).get(LEFT);
}

/** The place in the function table of the code at the target; returns to the caller where nothing is known of it. */
export function indexOfTarget(e: Emitter): void {
  fetchEntry(e, e.target).get(e.target).i64(-PAGE_SIZE).op(W.i64And, W.i64Ne);
  e.openSeldom();
  e.get(LEFT).op(W.return);
  e.close();
  e.get(e.target)
    .op(W.i32WrapI64)
    .i32(PAGE_SIZE - 1)
    .op(W.i32And);
  e.get(ENTRY).memory(W.i32Load, 8).op(W.i32Add).memory(W.i32Load16U, ENTRIES);
}

/** As `noteJump` of assembly/translated.ts; the entry in the fetch TLB has just been found. */
export function noteJump(e: Emitter): void {
  e.get(JUMPING);
  e.openSeldom();
  e.get(e.target)
    .op(W.i32WrapI64)
    .i32(PAGE_SIZE - 1)
    .op(W.i32And)
    .i32(1)
    .op(W.i32ShrU);
  e.get(ENTRY).memory(W.i32Load, 8).op(W.i32Add).tee(ENTRY);
  e.get(ENTRY).memory(W.i32Load8U, JUMPED).i32(1).op(W.i32Or).memory(W.i32Store8, JUMPED);
  e.close();
}
