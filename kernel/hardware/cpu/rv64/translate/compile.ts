/**
 * From a region to a WebAssembly module (the contract of its function is in assembly/translated.ts).
 *
 * Budget. A block takes the number of its instructions off what is left (budget.ts says where it is asked whether there
 * is as much); when an instruction cannot be completed here, what was not done is given back and the interpreter goes on
 * at that instruction.
 *
 * Leaving. What may have changed in a block before its first instruction is stored behind a label that is shared by all
 * blocks with the same set, and that goes on to the label of the largest of the other sets that is part of it. Registers that change on the way to a possible exit are stored by a stage of their own, and
 * each stage falls through to those of the exits before.
 *
 * A region's pages need not be mapped one behind the other for ever: a block that is entered from another page compares
 * the fetch TLB with the slot that the page had when it was translated, once in an activation. Nothing can change the
 * TLB while translated code runs.
 */
import { CURRENT_BANK, ENTRIES, FCSR, NESTABLE, PAGE_SIZE, PC, REGS } from "../assembly/layout.ts";
import { branchInstructions, departures } from "../instructions/table.ts";
import { basesOf } from "./bases.ts";
import { budgets } from "./budget.ts";
import {
  AT,
  BANK,
  CHOICE,
  Emitter,
  ENTRY,
  INEXACT,
  JUMPING,
  LEFT,
  NEAREST,
  NESTED,
  PAGE,
  PARAMETERS,
  UNDONE_BITS,
} from "./emitter.ts";
import { type Ending, successorsOf } from "./ending.ts";
import { type FloatRow, floatRow, roundedType } from "./float.ts";
import { analyse, type Flow } from "./flow.ts";
import { type Graph, structure } from "./graph.ts";
import { integerRows, jal, jalr } from "./integer.ts";
import { fetchEntry, indexOfTarget, noteJump, putArguments } from "./linkage.ts";
import { accesses, emitAccess } from "./memory.ts";
import type { Instruction } from "./records.ts";
import { type Block, copyOf, type Region } from "./region.ts";
import { FIRST_FLOAT, isEmpty, members, type Registers, SINK, union, without } from "./registers.ts";
import { Rotations } from "./rotations.ts";
import { encodeModule, Wasm } from "./wasm.ts";

const W = Wasm;
const pageOf = (at: number): number => Math.floor(at / PAGE_SIZE);

/** Name of the imported global with the slot of the region's page of this index. */
export const slotName = (index: number): string => `slot${index}`;

export function compile(region: Region): Uint8Array {
  return new Compilation(region).module();
}

const nameOf = ({ x, f }: Registers): string => `${x} ${f}`;

/** Code behind a label: stores these registers, then goes on as the next one out. */
interface Stage {
  label: number;
  adds: Registers;
}

class Compilation {
  readonly #region: Region;
  readonly #graph: Graph;
  readonly #flow: Flow;
  readonly #needs: readonly number[];
  readonly #e: Emitter;
  readonly #rows: Map<Instruction, FloatRow>;
  /** There is arithmetic that may be inexact. */
  readonly #rounds: boolean;
  /** Labels of loops and of merges, by node. */
  readonly #loops = new Map<number, number>();
  readonly #merges = new Map<number, number>();
  /** Labels behind which a set of registers is stored, by the set. */
  readonly #exits = new Map<string, number>();
  /** Behind it execution goes on at the address in `#target`, outside the region. */
  #elsewhere = 0;

  constructor(region: Region) {
    this.#region = region;
    const { blocks, places } = region;
    const inside = (to: number): number[] => (places.has(to) ? [places.get(to) as number] : []);
    this.#graph = structure(
      blocks.map(({ ending }) => successorsOf(ending).flatMap(inside)),
      blocks.map(({ ending }) => ending.kind === "jump"),
      region.targets.flatMap(inside),
    );
    this.#flow = analyse(region, this.#graph);
    this.#needs = budgets(region, this.#graph);
    let used: Registers = { x: 0, f: 0 };
    this.#rows = new Map();
    for (const instruction of blocks.flatMap(({ instructions }) => instructions)) {
      used = union(used, union(instruction.uses, instruction.changes));
      const row = floatRow(instruction);
      if (row) this.#rows.set(instruction, row);
    }
    this.#rounds = [...this.#rows.values()].some(({ nearest }) => nearest);
    this.#e = new Emitter(members(used), region.pages.length, basesOf(region), this.#rounds);
  }

  module(): Uint8Array {
    const e = this.#e;
    this.#prologue();
    this.#elsewhere = e.open(W.block);
    const leave = e.open(W.block);
    const sets = this.#openExits();
    this.#tree(0);
    e.op(W.unreachable);
    sets.forEach((set, index) => {
      const rest = sets.slice(index + 1).find((other) => isEmpty(without(other, set)));
      e.close();
      this.#store(rest ? without(set, rest) : set);
      e.br(rest ? this.#exitOf(rest) : leave);
    });
    e.close();
    e.i32(0).get(PAGE).get(AT).i32(UNDONE_BITS).op(W.i32ShrS, W.i64ExtendI32S, W.i64Add).memory(W.i64Store, PC);
    e.get(AT)
      .i32(2 ** UNDONE_BITS - 1)
      .op(W.i32And)
      .get(LEFT)
      .op(W.i32Add, W.return);
    e.close();
    e.i32(0).get(e.target).memory(W.i64Store, PC);
    putArguments(e);
    e.get(NESTED);
    indexOfTarget(e);
    noteJump(e);
    e.call(W.returnCallIndirect);
    const globals = this.#region.pages.map((_, index) => slotName(index));
    const { locals, code, seldom } = e;
    const helper = this.#rounds ? roundedType : null;
    return encodeModule({ parameters: PARAMETERS, result: "i32", locals, code, seldom, helper, globals });
  }

  #prologue(): void {
    const e = this.#e;
    const all = this.#region.blocks.flatMap(({ instructions }) => instructions);
    if (all.some(accesses)) e.i32(0).memory(W.i32Load, CURRENT_BANK).set(BANK);
    if (this.#rounds) {
      e.i32(0).memory(W.i32Load, FCSR).i32(0xe0).op(W.i32And, W.i32Eqz).set(NEAREST);
      this.#loadInexact();
    }
    e.forgetBases();
    this.#load(this.#flow.live[0] as Registers);
  }

  #loadInexact(): void {
    this.#e.i32(0).memory(W.i32Load, FCSR).i32(1).op(W.i32And).set(INEXACT);
  }

  #load(set: Registers): void {
    for (const register of members(set)) {
      this.#e.i32(0).memory(register < FIRST_FLOAT ? W.i64Load : W.f64Load, REGS + 8 * register);
      this.#e.set(this.#e.local(register));
    }
  }

  #store(set: Registers): void {
    for (const register of members(set)) {
      this.#e.i32(0).get(this.#e.local(register));
      this.#e.memory(register < FIRST_FLOAT ? W.i64Store : W.f64Store, REGS + 8 * register);
    }
  }

  /** One label for each set of registers that may have changed at the start of a block; the largest set comes first. */
  #openExits(): Registers[] {
    const sets = new Map<string, Registers>();
    this.#flow.changed.forEach((set, node) => {
      if (this.#graph.position[node] !== -1 && node !== this.#graph.dispatch) sets.set(nameOf(set), set);
    });
    const bySize = [...sets.values()].sort((a, b) => members(a).length - members(b).length);
    for (const set of bySize) this.#exits.set(nameOf(set), this.#e.open(W.block));
    return bySize.reverse();
  }

  #exitOf(set: Registers): number {
    return this.#exits.get(nameOf(set)) as number;
  }

  /** A node and all that it dominates. */
  #tree(node: number): void {
    const loop = this.#graph.isLoop[node];
    if (loop) this.#loops.set(node, this.#e.open(W.loop));
    this.#within(node, this.#graph.merges[node] as number[]);
    if (loop) this.#e.close();
  }

  /** A node inside one block for each merge that it dominates; behind the end of the block comes the merge. */
  #within(node: number, merges: readonly number[]): void {
    for (const merge of merges) this.#merges.set(merge, this.#e.open(W.block));
    if (node === this.#graph.dispatch) this.#dispatch();
    else this.#block(node);
    for (const merge of merges.toReversed()) {
      this.#e.close();
      this.#tree(merge);
    }
  }

  /** From `node` to the start of the block at `to`. */
  #go(node: number, to: number): void {
    const e = this.#e;
    const place = this.#region.places.get(to);
    if (place === undefined) {
      this.#store(this.#flow.changedAtEnd[node] as Registers);
      e.get(PAGE).i64(to).op(W.i64Add).set(e.target).br(this.#elsewhere);
      return;
    }
    if (this.#graph.routed.has(place)) {
      e.i32(this.#caseOf(place)).set(CHOICE);
      this.#edge(node, this.#graph.dispatch);
    } else this.#edge(node, place);
  }

  #edge(from: number, to: number): void {
    const label = this.#label(from, to);
    if (label === undefined) this.#tree(to);
    else this.#e.br(label);
  }

  /** Of a node that is not simply put where it is needed. */
  #label(from: number, to: number): number | undefined {
    const back = (this.#graph.position[to] as number) <= (this.#graph.position[from] as number);
    return (back ? this.#loops : this.#graph.isMerge[to] ? this.#merges : new Map<number, number>()).get(to);
  }

  #cases(): number[] {
    return this.#graph.successors[this.#graph.dispatch] as number[];
  }

  /** Where the cases are that an indirect jump may lead to, which are not of inlined callees. */
  #distances(): number[] {
    const blocks = this.#cases().map((place) => this.#region.blocks[place] as Block);
    return blocks.filter(({ key }) => copyOf(key) === 0).map(({ at }) => at);
  }

  #lowest(): number {
    return Math.min(...this.#distances());
  }

  /** How many numbers there are for cases that an indirect jump may lead to. */
  #caseCount(): number {
    const distances = this.#distances();
    return distances.length > 0 ? ((Math.max(...distances) - Math.min(...distances)) >> 1) + 1 : 0;
  }

  /**
   * The distance in halfwords from the lowest case; behind those the blocks of inlined callees. The number in between, of
   * place 0, which is the entry's and no callee's, is what an indirect jump out of the region chooses.
   */
  #caseOf(place: number): number {
    const { key, at } = this.#region.blocks[place] as Block;
    return copyOf(key) === 0 ? (at - this.#lowest()) >> 1 : this.#caseCount() + place;
  }

  /** Branches by CHOICE. */
  #dispatch(): void {
    const e = this.#e;
    const outside = e.open(W.block);
    const labels = new Map<number, number>();
    for (const place of this.#cases())
      labels.set(this.#caseOf(place), this.#label(this.#graph.dispatch, place) as number);
    const count = Math.max(...labels.keys()) + 1;
    const table = Array.from({ length: count }, (_, index) => labels.get(index) ?? outside);
    e.get(CHOICE).brTable(table, outside);
    e.close();
    this.#store(this.#flow.changedAtEnd[this.#graph.dispatch] as Registers);
    e.i32(1).set(JUMPING).br(this.#elsewhere);
  }

  #block(node: number): void {
    const e = this.#e;
    const block = this.#region.blocks[node] as Block;
    const changed = this.#flow.changed[node] as Registers;
    const exit = this.#exitOf(changed);
    const { stages, stageOf } = this.#stages(block, changed, exit);
    const count = block.instructions.length;
    e.begin(block.at, 0, exit);
    this.#checkPages(node, block);
    if (block.instructions.some((i) => this.#rows.get(i)?.nearest)) e.get(NEAREST).op(W.i32Eqz).leaveIf();
    const need = this.#needs[node] as number;
    if (need > 0) e.get(LEFT).i32(need).op(W.i32LtS).leaveIf();
    e.get(LEFT).i32(count).op(W.i32Sub).set(LEFT);
    const rotations = new Rotations();
    block.instructions.forEach((instruction, index) => {
      if (this.#mayLeave(instruction)) e.begin(instruction.at, count - index, stageOf[index] as number);
      this.#instruction(instruction, rotations);
    });
    this.#ending(node, block);
    e.op(W.unreachable);
    for (const { adds } of stages.reverse()) {
      e.close();
      this.#store(adds);
    }
    if (stages.length > 0) e.br(exit);
  }

  /** Opens the block's stages, and tells for each instruction to which label it leaves. */
  #stages(block: Block, changed: Registers, exit: number): { stages: Stage[]; stageOf: number[] } {
    const stages: Stage[] = [];
    const places: number[] = [];
    let stored = changed;
    let now = changed;
    for (const instruction of block.instructions) {
      const adds = without(now, stored);
      if (this.#mayLeave(instruction) && !isEmpty(adds)) {
        stages.push({ label: 0, adds });
        stored = now;
      }
      places.push(stages.length);
      now = union(now, instruction.changes);
    }
    for (const stage of stages) stage.label = this.#e.open(W.block);
    return { stages, stageOf: places.map((place) => stages[place - 1]?.label ?? exit) };
  }

  #mayLeave(instruction: Instruction): boolean {
    return accesses(instruction) || this.#rows.has(instruction);
  }

  /** The pages that the block is on, as far as it may be entered from another. */
  #checkPages(node: number, { at, instructions }: Block): void {
    const first = pageOf(at);
    const elsewhere = (from: number): boolean => pageOf(this.#region.blocks[from]?.at ?? Number.NaN) !== first;
    if ((this.#graph.predecessors[node] as number[]).some(elsewhere)) this.#checkPage(first);
    const last = pageOf(at + (instructions[0]?.length ?? 2) - 1);
    if (last !== first) this.#checkPage(last);
  }

  #checkPage(distance: number): void {
    if (distance === 0) return;
    const e = this.#e;
    const index = this.#region.pages.indexOf(distance);
    const page = e.wide(0);
    e.get(e.checked(index)).op(W.i32Eqz);
    e.openSeldom();
    e.get(PAGE)
      .i64(distance * PAGE_SIZE)
      .op(W.i64Add)
      .set(page);
    fetchEntry(e, page).get(page).op(W.i64Ne).leaveIf();
    e.get(ENTRY).memory(W.i32Load, 8).global(index).op(W.i32Ne).leaveIf();
    e.i32(1).set(e.checked(index));
    e.close();
  }

  #instruction(i: Instruction, rotations: Rotations): void {
    const e = this.#e;
    const isRotation = rotations.emit(e, i);
    rotations.note(i);
    const row = this.#rows.get(i);
    const integer = integerRows[i.op];
    if (isRotation) e.write(i.rd);
    else if (row) row.emit(e, i);
    else if (accesses(i)) emitAccess(e, i);
    else if (integer && i.rd !== SINK) {
      integer(e, i);
      e.write(i.rd);
    }
  }

  #ending(node: number, { ending, instructions }: Block): void {
    const e = this.#e;
    const last = instructions[instructions.length - 1] as Instruction;
    if (ending.kind === "go") {
      // Into an inlined callee.
      if (departures.get(last.op)?.links && last.rd !== SINK) {
        jal.link(e, last);
        e.write(last.rd);
      }
      this.#go(node, ending.to);
    } else if (ending.kind === "branch") this.#branch(node, last, ending);
    else if (ending.kind === "call") this.#call(node, last, ending);
    else this.#jump(node, last, ending.kind);
  }

  #branch(node: number, i: Instruction, { to, next }: Ending & { kind: "branch" }): void {
    const e = this.#e;
    e.read(i.rs1)
      .read(i.rs2)
      .op(comparisons.get(i.op.replace("Far", "")) as number);
    const place = this.#region.places.get(to);
    const simple = place === undefined || this.#graph.routed.has(place) ? undefined : this.#label(node, place);
    if (simple !== undefined) e.brIf(simple);
    else {
      e.open(W.if);
      this.#go(node, to);
      e.close();
    }
    this.#go(node, next);
  }

  #jump(node: number, i: Instruction, kind: "return" | "tail" | "jump"): void {
    const e = this.#e;
    jalr.target(e, i);
    e.set(e.target);
    if (kind === "tail") {
      jalr.link(e, i);
      e.write(i.rd);
    }
    const within = kind === "jump" && this.#region.targets.length > 0;
    if (within) {
      const distance = e.wide(0);
      e.get(e.target).get(PAGE).op(W.i64Sub).i64(this.#lowest()).op(W.i64Sub).i64(1).op(W.i64ShrU).tee(distance);
      e.op(W.i32WrapI64).i32(this.#caseCount());
      e.get(distance).i64(this.#caseCount()).op(W.i64LtU, W.select).set(CHOICE);
      this.#edge(node, this.#graph.dispatch);
      return;
    }
    this.#store(this.#flow.changedAtEnd[node] as Registers);
    if (kind === "jump") e.i32(1).set(JUMPING);
    if (kind === "return") {
      e.get(NESTED).i32(NESTABLE).op(W.i32Ne);
      e.open(W.if);
      e.i32(0).get(e.target).memory(W.i64Store, PC).get(LEFT).op(W.return);
      e.close();
    }
    // Without a caller in translated code a return, too, goes on to what is translated at its target.
    e.br(this.#elsewhere);
  }

  /**
   * After a call the callee may be anywhere: only if it is at the place behind the call, this function goes on, or what is
   * there if that is another region. Otherwise it returns too, until the interpreter is reached.
   */
  #call(node: number, i: Instruction, { to, next }: Ending & { kind: "call" }): void {
    const e = this.#e;
    if (to === null) jalr.target(e, i);
    else e.get(PAGE).i64(to).op(W.i64Add);
    e.set(e.target);
    if (i.rd !== SINK) {
      (to === null ? jalr : jal).link(e, i);
      e.write(i.rd);
    }
    this.#store(this.#flow.changedAtEnd[node] as Registers);
    e.i32(0).get(e.target).memory(W.i64Store, PC);
    e.get(NESTED).op(W.i32Eqz);
    e.openSeldom();
    e.get(LEFT).op(W.return);
    e.close();
    putArguments(e);
    e.get(NESTED).i32(1).op(W.i32Sub);
    if (to === this.#region.blocks[0]?.at) e.callItself();
    else this.#callTarget(node, to);
    e.set(LEFT);
    e.i32(0).memory(W.i64Load, PC).get(PAGE).i64(next).op(W.i64Add, W.i64Ne);
    e.openSeldom();
    e.get(LEFT).op(W.return);
    e.close();
    const behind = this.#region.places.get(next);
    if (behind === undefined) {
      e.get(PAGE).i64(next).op(W.i64Add).set(e.target).br(this.#elsewhere);
      return;
    }
    const then = this.#graph.routed.has(behind) ? this.#graph.dispatch : behind;
    this.#load(this.#flow.live[then] as Registers);
    if (this.#rounds) this.#loadInexact();
    this.#go(node, next);
  }

  /** Calls what is at `#target`; its page is at hand if it is the caller's, because that one is executing. */
  #callTarget(node: number, to: number | null): void {
    const e = this.#e;
    if (to !== null && pageOf(to) === pageOf((this.#region.blocks[node] as Block).at)) {
      const page = this.#region.pages.indexOf(pageOf(to));
      e.global(page).memory(W.i32Load16U, ENTRIES + (to & (PAGE_SIZE - 1)));
    } else indexOfTarget(e);
    e.call(W.callIndirect);
  }
}

const comparisons = new Map<string, number>(branchInstructions.map(({ op, condition }) => [op, W[condition]]));
