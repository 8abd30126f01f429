/**
 * Calls that clients make through remote-driven tasks: journalled, durable, cancelled with their request, and made
 * once for each idempotency key.
 */
import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { Output } from "../../kernel/index.ts";
import type { RemoteInput } from "../hosting/hosted.ts";
import type { Context } from "../operation.ts";
import { answerRow, type Deps, findAnswer, inTurn } from "./common.ts";

export type CallDone = Extract<Output, { kind: "callDone" }>;

interface RemoteCall<Out extends DescMessage> {
  /** What the request asks for, checked: may throw. */
  input(): RemoteInput;
  answer(done: CallDone, taskAlive: boolean): MessageInitShape<Out>;
}

type CallRequestShape = { machineId: string; idempotencyKey: string };

export function remoteCall<In extends DescMessage, Out extends DescMessage>(
  deps: Deps,
  context: Context,
  schemas: { request: In; response: Out },
  request: MessageShape<In> & CallRequestShape,
  call: RemoteCall<Out>,
): Promise<MessageInitShape<Out>> {
  return inTurn(context, request, async () => {
    const earlier = await findAnswer(deps, context, schemas, request);
    if (earlier !== null) return earlier as unknown as MessageInitShape<Out>;
    return make(deps, context, schemas, request, call);
  });
}

async function make<In extends DescMessage, Out extends DescMessage>(
  deps: Deps,
  context: Context,
  schemas: { request: In; response: Out },
  request: MessageShape<In> & CallRequestShape,
  { input: inputOf, answer: answerOf }: RemoteCall<Out>,
): Promise<MessageInitShape<Out>> {
  const machine = await deps.hosting.use(request.machineId);
  const input = inputOf();
  const answer = (done: CallDone) => answerOf(done, machine.exit(input.task) === undefined);
  const keyed = request.idempotencyKey !== "";
  // A call that ends at once is remembered in the transaction of its own journal entry: a retry after a crash
  // finds either both or neither. One that blocks is remembered when it ends.
  let remembered = false;
  const receipt = (done: CallDone) => {
    remembered = true;
    return answerRow(context, schemas, request, answer(done));
  };
  const done = await machine.call(input, context.signal, keyed ? receipt : null);
  const response = answer(done);
  if (keyed && !remembered) await deps.store.idempotency.save(answerRow(context, schemas, request, response));
  return response;
}
