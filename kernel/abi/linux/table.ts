/** All of Linux's system calls that there are. */
import type { SystemCall } from "../define/syscall.ts";
import { attributeCalls } from "./attributes.ts";
import { capabilityCalls } from "./capabilities.ts";
import { compareCalls } from "./compare.ts";
import { controlCalls } from "./control.ts";
import { descriptorCalls } from "./descriptors.ts";
import { eventCalls } from "./events.ts";
import { execCalls } from "./exec.ts";
import { extendedCalls } from "./extended.ts";
import { fileCalls } from "./files.ts";
import { groupCalls } from "./groups.ts";
import { identityCalls } from "./identity.ts";
import { inotifyCalls } from "./inotify.ts";
import { ioCalls } from "./io.ts";
import type { LinuxKernel } from "./kernel.ts";
import { lockCalls } from "./locks.ts";
import { memoryCalls } from "./memory.ts";
import { memoryFileCalls } from "./memory-files.ts";
import { messageCalls } from "./messages.ts";
import { mountCalls } from "./mount.ts";
import { namespaceCalls } from "./namespaces.ts";
import { openHowCalls } from "./open-how.ts";
import { pidfdCalls } from "./pidfd.ts";
import { pipeCalls } from "./pipes.ts";
import { pollCalls } from "./poll.ts";
import { processMemoryCalls } from "./process-memory.ts";
import { processCalls } from "./processes.ts";
import { ptraceCalls } from "./ptrace.ts";
import { remapCalls } from "./remap.ts";
import { residencyCalls } from "./residency.ts";
import { schedulingCalls } from "./scheduling.ts";
import { semaphoreCalls } from "./semaphores.ts";
import { sharedMemoryCalls } from "./shared-memory.ts";
import { signalCalls } from "./signals.ts";
import { sizeCalls } from "./sizes.ts";
import { socketMessageCalls } from "./socket-messages.ts";
import { socketOptionCalls } from "./socket-options.ts";
import { socketCalls } from "./sockets.ts";
import { statfsCalls } from "./statfs.ts";
import { systemCalls } from "./system.ts";
import { threadCalls } from "./threads.ts";
import { timeCalls } from "./time.ts";
import { timerCalls } from "./timers.ts";
import { transferCalls } from "./transfer.ts";
import { waitCalls } from "./waiting.ts";

export const linuxTable: readonly SystemCall<LinuxKernel>[] = [
  ...inotifyCalls,
  ...ioCalls,
  ...fileCalls,
  ...openHowCalls,
  ...descriptorCalls,
  ...attributeCalls,
  ...statfsCalls,
  ...sizeCalls,
  ...extendedCalls,
  ...pipeCalls,
  ...lockCalls,
  ...transferCalls,
  ...pollCalls,
  ...eventCalls,
  ...socketCalls,
  ...socketMessageCalls,
  ...socketOptionCalls,
  ...mountCalls,
  ...memoryCalls,
  ...memoryFileCalls,
  ...sharedMemoryCalls,
  ...semaphoreCalls,
  ...messageCalls,
  ...remapCalls,
  ...residencyCalls,
  ...timeCalls,
  ...timerCalls,
  ...threadCalls,
  ...schedulingCalls,
  ...processCalls,
  ...waitCalls,
  ...namespaceCalls,
  ...pidfdCalls,
  ...ptraceCalls,
  ...processMemoryCalls,
  ...compareCalls,
  ...execCalls,
  ...identityCalls,
  ...capabilityCalls,
  ...controlCalls,
  ...groupCalls,
  ...systemCalls,
  ...signalCalls,
];
