/** The kernel's public tables: names and numbers, nothing that runs. Any part of the server may read them. */
export { systemCallCatalogue } from "./abi/catalogue.ts";
export { errnoDescription, errnoName } from "./abi/linux/errno.ts";
export { signalName } from "./abi/linux/signals.ts";
