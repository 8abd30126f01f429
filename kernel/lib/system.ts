/** What the kernel says it is: uname(2), /proc/version. */
export const systemName = "Linux";
export const release = "6.1.0-ostler";
export const machineName = "riscv64";
