/** The network device, and the host at the other end of its cable. */
import { expect, test } from "vitest";
import { answerFrame, gatewayAddress, gatewayMac } from "../../../kernel/hardware/network/gateway.ts";
import { checksum, ethernet, ipv4, udp } from "../../../kernel/hardware/network/packet.ts";
import { Driver } from "./driver.ts";
import { ramBase, rig } from "./rig.ts";

const mac = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);
const everybody = new Uint8Array(6).fill(255);
const own = Uint8Array.of(10, 0, 2, 15);

const arpRequest = (wanted: Uint8Array): Uint8Array =>
  ethernet(everybody, mac, 0x806, Uint8Array.of(0, 1, 8, 0, 6, 4, 0, 1, ...mac, ...own, 0, 0, 0, 0, 0, 0, ...wanted));

function ping(): Uint8Array {
  const message = Uint8Array.of(8, 0, 0, 0, 0, 1, 0, 7, 1, 2, 3, 4, 5);
  const sum = checksum(message);
  message.set([sum >> 8, sum & 255], 2);
  return ethernet(gatewayMac, mac, 0x800, ipv4(own, gatewayAddress, 1, message));
}

test("ARP tells who has the gateway's address, and no other", () => {
  const answer = answerFrame(arpRequest(gatewayAddress))!;
  expect([...answer.subarray(0, 6)]).toEqual([...mac]);
  expect([...answer.subarray(20, 32)]).toEqual([0, 2, ...gatewayMac, ...gatewayAddress]);
  expect(answerFrame(arpRequest(Uint8Array.of(10, 0, 2, 3)))).toBeNull();
});

test("an ICMP echo comes back whole, a damaged one not", () => {
  const answer = answerFrame(ping())!;
  expect([...answer.subarray(26, 34)]).toEqual([...gatewayAddress, ...own]);
  expect(answer[34]).toBe(0);
  expect(checksum(answer.subarray(34))).toBe(0);
  expect([...answer.subarray(42)]).toEqual([1, 2, 3, 4, 5]);
  const damaged = ping();
  damaged[44]! ^= 1;
  expect(answerFrame(damaged)).toBeNull();
});

test("DHCP offers and acknowledges the one lease", () => {
  const message = new Uint8Array(300);
  message.set([1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef]);
  message.set(mac, 28);
  message.set([0x63, 0x82, 0x53, 0x63, 0, 61, 2, 1, 1, 53, 1, 1, 255], 236);
  const frame = (bytes: Uint8Array): Uint8Array =>
    ethernet(everybody, mac, 0x800, ipv4(new Uint8Array(4), new Uint8Array(4).fill(255), 17, udp(68, 67, bytes)));
  const offer = answerFrame(frame(message))!.subarray(42);
  expect([...offer.subarray(4, 8), ...offer.subarray(16, 20)]).toEqual([0xde, 0xad, 0xbe, 0xef, ...own]);
  expect([...offer.subarray(240, 243)]).toEqual([53, 1, 2]);
  message[247] = 3;
  expect(answerFrame(frame(message))!.subarray(42)[242]).toBe(5);
  message[247] = 7;
  expect(answerFrame(frame(message))).toBeNull();
});

test("UDP to port 7 comes back", () => {
  const frame = ethernet(gatewayMac, mac, 0x800, ipv4(own, gatewayAddress, 17, udp(1000, 7, Uint8Array.of(9, 8))));
  const answer = answerFrame(frame)!;
  expect([...answer.subarray(34, 38), ...answer.subarray(42)]).toEqual([0, 7, 3, 232, 9, 8]);
});

test("nothing else is answered", () => {
  expect(answerFrame(new Uint8Array(5))).toBeNull();
  expect(answerFrame(ethernet(gatewayMac, mac, 0x86dd, new Uint8Array(60)))).toBeNull();
  expect(answerFrame(ethernet(gatewayMac, mac, 0x800, new Uint8Array(60)))).toBeNull();
});

test("with a cable that leads outside, frames leave, and come when they are given", () => {
  const r = rig({ network: { cable: "frames", mac: "52:54:00:0a:0b:0c" } });
  const receive = new Driver(r, 0, 0, 0x1000);
  receive.negotiate(1 << 5);
  receive.setUp();
  const transmit = new Driver(r, 0, 1, 0x2000);
  transmit.setUp();
  receive.write(0x70, 15);
  expect([3, 4, 5].map((at) => r.read(receive.base + 0x100 + at, 1))).toEqual([10, 11, 12]);
  for (let n = 1; n <= 2; n++) {
    r.ram.bytes.set(ping(), 0x8000 + 12);
    transmit.post([{ address: ramBase + 0x8000, length: 12 + ping().length, writable: false }]);
    r.pass(100_000);
  }
  expect(r.frames).toEqual([1, 2].map((sequence) => ({ sequence, frame: ping() })));
  expect(r.state.network).toMatchObject({ sent: 2, incoming: [] });
  receive.post([{ address: ramBase + 0x9000, length: 1526, writable: true }]);
  r.board.frameArrived(Uint8Array.from({ length: 99 }, (_, at) => at));
  r.pass(100_000);
  expect(receive.returned()).toEqual([{ head: 0, written: 12 + 99 }]);
  expect([...r.ram.bytes.subarray(0x9000 + 12 + 97, 0x9000 + 12 + 100)]).toEqual([97, 98, 0]);
});

test("a frame goes out and its answer comes in", () => {
  const r = rig();
  const receive = new Driver(r, 0, 0, 0x1000);
  receive.negotiate(1 << 5);
  receive.setUp();
  const transmit = new Driver(r, 0, 1, 0x2000);
  transmit.setUp();
  receive.write(0x70, 15);
  expect([0, 1, 2, 3, 4, 5].map((at) => r.read(receive.base + 0x100 + at, 1))).toEqual([...mac]);
  const frame = ping();
  r.ram.bytes.set(frame, 0x8000 + 12);
  transmit.post([{ address: ramBase + 0x8000, length: 12 + frame.length, writable: false }]);
  r.pass(100_000);
  expect([transmit.returned().length, r.state.network.incoming.length]).toEqual([1, 1]);
  receive.post([{ address: ramBase + 0x9000, length: 1526, writable: true }]);
  r.pass(100_000);
  expect(receive.returned()).toEqual([{ head: 0, written: 12 + frame.length }]);
  expect([...r.ram.bytes.subarray(0x9000 + 12, 0x9000 + 12 + frame.length)]).toEqual([...answerFrame(frame)!]);
  expect(r.state.network).toMatchObject({ sent: 1, received: 1, dropped: 0 });
});
