/** The part of WebAssembly that the kernel needs: its tsconfig knows no host. The host compiles, the core instantiates. */
declare namespace WebAssembly {
  // biome-ignore lint/suspicious/noEmptyInterface: opaque; made by the host, merged with its own declaration there.
  interface Module {}
  interface Memory {
    readonly buffer: ArrayBuffer;
  }
  interface Instance {
    readonly exports: Record<string, unknown>;
  }
  /** For hosts only; the kernel receives the compiled module. */
  var Module: { new (bytes: Uint8Array): Module };
  var Memory: { new (descriptor: { initial: number; maximum?: number }): Memory };
  var Instance: { new (module: Module, imports: Record<string, Record<string, unknown>>): Instance };
}
