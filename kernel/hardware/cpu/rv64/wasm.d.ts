/** The part of WebAssembly that the kernel needs: its tsconfig knows no host.  */
declare namespace WebAssembly {
  // biome-ignore lint/suspicious/noEmptyInterface: opaque; made by the host, merged with its own declaration there.
  interface Module {}
  interface Memory {
    readonly buffer: ArrayBuffer;
  }
  interface Instance {
    readonly exports: Record<string, unknown>;
  }
  interface Table {
    readonly length: number;
    grow(by: number, fill?: unknown): number;
    set(index: number, value: unknown): void;
  }
  /** Synchronous; the core itself is compiled by the host, what it translates by itself. */
  var Module: { new (bytes: Uint8Array): Module };
  var Memory: { new (descriptor: { initial: number; maximum?: number }): Memory };
  var Table: { new (descriptor: { element: "anyfunc"; initial: number }): Table };
  var Instance: { new (module: Module, imports: Record<string, Record<string, unknown>>): Instance };
}
