/** Signal numbers of Linux on RISC-V (asm-generic/signal.h). */
export const signals = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31,
} as const;
export const lastSignal = 64;

const names = new Map<number, string>(Object.entries(signals).map(([name, number]) => [number, name]));
export const signalName = (signal: number): string => names.get(signal) ?? `SIG${signal}`;

/** From here on any number of one signal can be pending, with a value each. */
export const firstRealTime = 32;

export const stopSignals: readonly number[] = [signals.SIGSTOP, signals.SIGTSTP, signals.SIGTTIN, signals.SIGTTOU];
const ignoredSignals: readonly number[] = [signals.SIGCHLD, signals.SIGURG, signals.SIGWINCH];

/** What a signal does that has no handler and is not ignored (signal(7)). */
export function defaultAction(signal: number): "end" | "ignore" | "stop" | "continue" {
  if (signal === signals.SIGCONT) return "continue";
  if (ignoredSignals.includes(signal)) return "ignore";
  return stopSignals.includes(signal) ? "stop" : "end";
}
