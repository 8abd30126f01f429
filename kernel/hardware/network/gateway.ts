/**
 * The other end of the machine's network cable: one host, 10.0.2.2, that has no state and no world behind it.
 *
 * It answers ARP for its address, ICMP echoes, DHCP (everybody is 10.0.2.15), and UDP to port 7 (echo). Everything else
 * is dropped. Answers are a function of the frame alone, so a machine with a network stays deterministic.
 */
import { answerDhcp, dhcpPort } from "./dhcp.ts";
import {
  checksum,
  ethernet,
  ethernetBytes,
  etherType,
  type Ipv4Packet,
  ipv4,
  parseIpv4,
  parseUdp,
  protocol,
  udp,
  viewOf,
} from "./packet.ts";

export const gatewayMac = Uint8Array.of(0x52, 0x55, 10, 0, 2, 2);
export const gatewayAddress = Uint8Array.of(10, 0, 2, 2);
const clientAddress = Uint8Array.of(10, 0, 2, 15);
const broadcastAddress = Uint8Array.of(255, 255, 255, 255);
const echoPort = 7;

const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i]);

function answerArp(packet: Uint8Array): Uint8Array | null {
  const isRequest = packet.length >= 28 && viewOf(packet).getUint16(6) === 1;
  if (!isRequest || !equal(packet.subarray(24, 28), gatewayAddress)) return null;
  const answer = packet.slice(0, 28);
  viewOf(answer).setUint16(6, 2);
  answer.set(packet.subarray(8, 18), 18);
  answer.set(gatewayMac, 8);
  answer.set(gatewayAddress, 14);
  return answer;
}

function answerIcmp({ from, payload }: Ipv4Packet): Uint8Array | null {
  if (payload.length < 8 || payload[0] !== 8 || checksum(payload) !== 0) return null;
  const answer = payload.slice();
  answer[0] = 0;
  viewOf(answer).setUint16(2, 0);
  viewOf(answer).setUint16(2, checksum(answer));
  return ipv4(gatewayAddress, from, protocol.icmp, answer);
}

function answerUdp({ from, payload }: Ipv4Packet): Uint8Array | null {
  const packet = parseUdp(payload);
  if (packet === null) return null;
  if (packet.to === echoPort)
    return ipv4(gatewayAddress, from, protocol.udp, udp(packet.to, packet.from, packet.payload));
  if (packet.to !== dhcpPort.server) return null;
  const answer = answerDhcp(packet.payload, gatewayAddress, clientAddress);
  if (answer === null) return null;
  return ipv4(gatewayAddress, broadcastAddress, protocol.udp, udp(dhcpPort.server, dhcpPort.client, answer));
}

function answerIpv4(bytes: Uint8Array): Uint8Array | null {
  const packet = parseIpv4(bytes);
  if (packet === null) return null;
  const forGateway = equal(packet.to, gatewayAddress);
  if (packet.kind === protocol.icmp) return forGateway ? answerIcmp(packet) : null;
  if (packet.kind === protocol.udp) return forGateway || equal(packet.to, broadcastAddress) ? answerUdp(packet) : null;
  return null;
}

/** What comes back for a frame, if anything. */
export function answerFrame(frame: Uint8Array): Uint8Array | null {
  if (frame.length < ethernetBytes) return null;
  const type = viewOf(frame).getUint16(12);
  const payload = frame.subarray(ethernetBytes);
  const answer = type === etherType.arp ? answerArp(payload) : type === etherType.ipv4 ? answerIpv4(payload) : null;
  return answer === null ? null : ethernet(frame.slice(6, 12), gatewayMac, type, answer);
}
