/** Ethernet, ARP, IPv4, ICMP, UDP: offsets and checksums; just what the gateway needs. */
export const etherType = { ipv4: 0x0800, arp: 0x0806 } as const;
export const protocol = { icmp: 1, udp: 17 } as const;
export const ethernetBytes = 14;
/** The longest frame, without its checksum. */
export const frameBytes = 1514;
export const ipv4Bytes = 20;
export const udpBytes = 8;

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/** The Internet checksum (RFC 1071) of some bytes, with a sum of what else belongs to it. */
export function checksum(bytes: Uint8Array, sum = 0): number {
  for (let i = 0; i < bytes.length; i++) sum += (i & 1) === 0 ? bytes[i]! << 8 : bytes[i]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export function ethernet(to: Uint8Array, from: Uint8Array, type: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(ethernetBytes + payload.length);
  frame.set(to, 0);
  frame.set(from, 6);
  viewOf(frame).setUint16(12, type);
  frame.set(payload, ethernetBytes);
  return frame;
}

export function ipv4(from: Uint8Array, to: Uint8Array, kind: number, payload: Uint8Array): Uint8Array {
  const packet = new Uint8Array(ipv4Bytes + payload.length);
  const view = viewOf(packet);
  packet[0] = 0x45;
  view.setUint16(2, packet.length);
  packet[8] = 64; // time to live
  packet[9] = kind;
  packet.set(from, 12);
  packet.set(to, 16);
  view.setUint16(10, checksum(packet.subarray(0, ipv4Bytes)));
  packet.set(payload, ipv4Bytes);
  return packet;
}

/** Without a checksum, which IPv4 allows. */
export function udp(from: number, to: number, payload: Uint8Array): Uint8Array {
  const packet = new Uint8Array(udpBytes + payload.length);
  const view = viewOf(packet);
  view.setUint16(0, from);
  view.setUint16(2, to);
  view.setUint16(4, packet.length);
  packet.set(payload, udpBytes);
  return packet;
}

export interface Ipv4Packet {
  from: Uint8Array;
  to: Uint8Array;
  kind: number;
  payload: Uint8Array;
}

/** null for what is damaged, fragmented or cut short. */
export function parseIpv4(packet: Uint8Array): Ipv4Packet | null {
  if (packet.length < ipv4Bytes || packet[0]! >> 4 !== 4) return null;
  const view = viewOf(packet);
  const headerBytes = (packet[0]! & 15) * 4;
  const length = view.getUint16(2);
  const isFragment = (view.getUint16(6) & 0x3fff) !== 0;
  if (headerBytes < ipv4Bytes || length < headerBytes || length > packet.length || isFragment) return null;
  if (checksum(packet.subarray(0, headerBytes)) !== 0) return null;
  return {
    from: packet.subarray(12, 16),
    to: packet.subarray(16, 20),
    kind: packet[9]!,
    payload: packet.subarray(headerBytes, length),
  };
}

export function parseUdp(packet: Uint8Array): { from: number; to: number; payload: Uint8Array } | null {
  if (packet.length < udpBytes) return null;
  const view = viewOf(packet);
  const length = view.getUint16(4);
  if (length < udpBytes || length > packet.length) return null;
  return { from: view.getUint16(0), to: view.getUint16(2), payload: packet.subarray(udpBytes, length) };
}
