/** Methods of interrupt control and of interrupt handlers. */
import { refuse } from "../../cap/errors.ts";
import { peekSlot, placeChild } from "../../cap/slots.ts";
import { type CapabilityOf, Right } from "../../cap/state.ts";
import { acknowledge, clearHandler, maxIrq, setHandler } from "../../ipc/sel4/irq.ts";
import type { Sel4Kernel } from "../../ipc/sel4/kernel.ts";
import { capIrq } from "../../trace/events/capability.ts";
import { type Answer, answer, emptySlot, extraCap, type Invocation, needs } from "./invocation.ts";
import { Label, methodName } from "./labels.ts";

export function irqControlInvocation(k: Sel4Kernel, call: Invocation): Answer {
  const withTrigger = call.label === Label.irqIssueIRQHandlerTrigger;
  if (!withTrigger && call.label !== Label.irqIssueIRQHandler) return refuse({ kind: "illegalOperation" });
  const truncated = needs(call, withTrigger ? 4 : 3, 1);
  if (truncated !== null) return refuse(truncated);
  const [line, ...rest] = call.words as [bigint, ...bigint[]];
  const [index, depth] = (withTrigger ? rest.slice(1) : rest) as [bigint, bigint];
  if (line < 1n || line > BigInt(maxIrq)) return refuse({ kind: "rangeError", min: 1n, max: BigInt(maxIrq) });
  const irq = Number(line);
  if (k.sel4.irqs.has(irq)) return refuse({ kind: "revokeFirst" });
  const slot = emptySlot(k, extraCap(k, call, 0), index, depth);
  if (!slot.ok) return slot;
  k.sel4.irqs.set(irq, { masked: false, pending: false });
  placeChild(k, call.slot, slot.value, { type: "irqHandler", irq });
  note(k, call, irq);
  return answer();
}

function note(k: Sel4Kernel, { label }: Invocation, irq: number): void {
  if (k.trace.on(capIrq)) k.trace.write(capIrq, { method: methodName(label), irq });
}

export function irqHandlerInvocation(k: Sel4Kernel, call: Invocation<CapabilityOf<"irqHandler">>): Answer {
  const { irq } = call.cap;
  switch (call.label) {
    case Label.irqAckIRQ:
      note(k, call, irq);
      acknowledge(k, irq);
      return answer();
    case Label.irqClearIRQHandler:
      note(k, call, irq);
      clearHandler(k, irq);
      return answer();
    case Label.irqSetIRQHandler: {
      const truncated = needs(call, 0, 1);
      if (truncated !== null) return refuse(truncated);
      const cap = peekSlot(k, call.extra[0]!)?.capability;
      if (cap?.type !== "notification" || (cap.rights & Right.write) === 0)
        return refuse({ kind: "invalidCapability", capability: 0 });
      setHandler(k, irq, call.extra[0]!);
      note(k, call, irq);
      return answer();
    }
    default:
      return refuse({ kind: "illegalOperation" });
  }
}
