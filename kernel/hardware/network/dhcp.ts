/** A DHCP server (RFC 2131) with one lease that never changes. */
import { viewOf } from "./packet.ts";

export const dhcpPort = { server: 67, client: 68 } as const;

const fixedBytes = 236;
const cookie = 0x6382_5363;
const Option = { mask: 1, router: 3, dns: 6, lease: 51, type: 53, server: 54, end: 255 } as const;
const Message = { discover: 1, offer: 2, request: 3, acknowledge: 5 } as const;

/** The first byte of an option, or -1. */
function optionByte(options: Uint8Array, wanted: number): number {
  for (let at = 0; at < options.length && options[at] !== Option.end; ) {
    if (options[at] === 0) at += 1;
    else if (options[at] === wanted) return options[at + 2] ?? -1;
    else at += 2 + (options[at + 1] ?? 0);
  }
  return -1;
}

/** The answer to a client's message, or null when it needs none. */
export function answerDhcp(message: Uint8Array, server: Uint8Array, client: Uint8Array): Uint8Array | null {
  if (message.length < fixedBytes + 4 || message[0] !== 1) return null;
  if (viewOf(message).getUint32(fixedBytes) !== cookie) return null;
  const asked = optionByte(message.subarray(fixedBytes + 4), Option.type);
  const type = new Map<number, number>([
    [Message.discover, Message.offer],
    [Message.request, Message.acknowledge],
  ]).get(asked);
  if (type === undefined) return null;
  const options = [
    [Option.type, 1, type],
    [Option.server, 4, ...server],
    [Option.lease, 4, 0, 1, 0x51, 0x80], // a day
    [Option.mask, 4, 255, 255, 255, 0],
    [Option.router, 4, ...server],
    [Option.dns, 4, ...server],
    [Option.end],
  ].flat();
  const answer = new Uint8Array(Math.max(300, fixedBytes + 4 + options.length));
  answer.set(message.subarray(0, fixedBytes));
  answer[0] = 2;
  answer.set(client, 16);
  answer.set(server, 20);
  answer.fill(0, 44, fixedBytes);
  viewOf(answer).setUint32(fixedBytes, cookie);
  answer.set(options, fixedBytes + 4);
  return answer;
}
