/** An IPv4 address. Treated as immutable; compare with `ipEquals`. */
export interface Ipv4Address {
  readonly version: 4;
  /** 4 octets in network order. */
  readonly octets: Uint8Array;
}

/** An IPv6 address. Treated as immutable; compare with `ipEquals`. */
export interface Ipv6Address {
  readonly version: 6;
  /** 16 octets in network order. */
  readonly octets: Uint8Array;
}

/** An IPv4 or IPv6 address, told apart by `version`. */
export type IpAddress = Ipv4Address | Ipv6Address;

/** An address block: `length` leading bits count, the others are zero. */
export interface Prefix<Address extends IpAddress = IpAddress> {
  readonly address: Address;
  /** Bits, 0 to 32 (IPv4) or 0 to 128 (IPv6). */
  readonly length: number;
}

/** An IPv4 block; `isIpv4Prefix` finds out. */
export type Ipv4Prefix = Prefix<Ipv4Address>;

/** An IPv6 block; `isIpv6Prefix` finds out. */
export type Ipv6Prefix = Prefix<Ipv6Address>;

/** The type of the address that `ip` makes of a text: known where the compiler knows the text, either version where it does not. */
export type AddressIn<Text extends string> = Text extends `${string}:${string}`
  ? Ipv6Address
  : Text extends `${number}.${number}.${number}.${number}`
    ? Ipv4Address
    : IpAddress;

/** The type of the prefix that `prefix` makes of a text, as `AddressIn`. */
export type PrefixIn<Text extends string> = Text extends `${infer Address}/${string}`
  ? Prefix<AddressIn<Address>>
  : Prefix;

/**
 * An address from its octets, which are taken over and not copied.
 * @throws RangeError unless there are 4 or 16 octets
 */
export function ipFromOctets(octets: Uint8Array): IpAddress {
  if (octets.length === 4) return { version: 4, octets };
  if (octets.length === 16) return { version: 6, octets };
  throw new RangeError(`an address has 4 or 16 octets, not ${octets.length}`);
}

/** Reads `192.0.2.1` or `2001:db8::1` (also `::ffff:192.0.2.1`); `undefined` for anything else, zone ids and leading zeros included. */
export function parseIp(text: string): IpAddress | undefined {
  if (text.includes(':')) {
    const octets = parseIpv6Octets(text);
    return octets && { version: 6, octets };
  }
  const octets = parseIpv4Octets(text);
  return octets && { version: 4, octets };
}

/**
 * `parseIp` for constants and tests: `ip('192.0.2.1')` is an `Ipv4Address` to the compiler too.
 * @throws RangeError if `text` is not an address
 */
export function ip<const Text extends string>(text: Text): AddressIn<Text> {
  const address = parseIp(text);
  if (!address) throw new RangeError(`not an IP address: ${text}`);
  return address as AddressIn<Text>;
}

/** Text of an address; IPv6 in the one form of RFC 5952, IPv4-mapped addresses with a dotted end. */
export function formatIp(address: IpAddress): string {
  const o = address.octets;
  if (address.version === 4) return `${o[0]}.${o[1]}.${o[2]}.${o[3]}`;
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((o[i] ?? 0) << 8) | (o[i + 1] ?? 0));
  if (groups.slice(0, 5).every((g) => g === 0) && groups[5] === 0xffff) {
    return `::ffff:${o[12]}.${o[13]}.${o[14]}.${o[15]}`;
  }
  const run = longestZeroRun(groups);
  const hex = (part: readonly number[]) => part.map((g) => g.toString(16)).join(':');
  if (run.length < 2) return hex(groups);
  return `${hex(groups.slice(0, run.start))}::${hex(groups.slice(run.start + run.length))}`;
}

/** Same version and octets. */
export function ipEquals(a: IpAddress, b: IpAddress): boolean {
  return a === b || compareIp(a, b) === 0;
}

/** Order for sorting: IPv4 before IPv6, then by value. Negative, zero or positive. */
export function compareIp(a: IpAddress, b: IpAddress): number {
  if (a.version !== b.version) return a.version - b.version;
  for (let i = 0; i < a.octets.length; i++) {
    const difference = (a.octets[i] ?? 0) - (b.octets[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Bits of an address: 32 or 128. */
export function ipBits(version: 4 | 6): 32 | 128 {
  return version === 4 ? 32 : 128;
}

/**
 * The address with all but its first `length` bits cleared.
 * @throws RangeError if `length` is not within the address
 */
export function maskIp(address: IpAddress, length: number): IpAddress {
  if (!Number.isInteger(length) || length < 0 || length > ipBits(address.version)) {
    throw new RangeError(`prefix length ${length}: IPv${address.version} has ${ipBits(address.version)} bits`);
  }
  const octets = new Uint8Array(address.octets.length);
  const whole = length >> 3;
  for (let i = 0; i < whole; i++) octets[i] = address.octets[i] ?? 0;
  if ((length & 7) !== 0) octets[whole] = (address.octets[whole] ?? 0) & (0xff00 >> (length & 7));
  return { version: address.version, octets };
}

/** Reads `10.0.0.0/8` or `2001:db8::/32`; `undefined` for anything else, and where host bits are set. */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf('/');
  if (slash < 0) return undefined;
  const address = parseIp(text.slice(0, slash));
  const lengthText = text.slice(slash + 1);
  if (!address || !/^(0|[1-9]\d{0,2})$/.test(lengthText)) return undefined;
  const length = Number(lengthText);
  if (length > ipBits(address.version) || !ipEquals(maskIp(address, length), address)) return undefined;
  return { address, length };
}

/**
 * `parsePrefix` for constants and tests: `prefix('2001:db8::/32')` is an `Ipv6Prefix` to the compiler too.
 * @throws RangeError if `text` is not a prefix, or has host bits set
 */
export function prefix<const Text extends string>(text: Text): PrefixIn<Text> {
  const value = parsePrefix(text);
  if (!value) throw new RangeError(`not a prefix: ${text}`);
  return value as PrefixIn<Text>;
}

/** Whether a prefix is of IPv4. */
export function isIpv4Prefix(value: Prefix): value is Ipv4Prefix {
  return value.address.version === 4;
}

/** Whether a prefix is of IPv6. */
export function isIpv6Prefix(value: Prefix): value is Ipv6Prefix {
  return value.address.version === 6;
}

/** `address/length`. */
export function formatPrefix(value: Prefix): string {
  return `${formatIp(value.address)}/${value.length}`;
}

/** Same address and length. */
export function prefixEquals(a: Prefix, b: Prefix): boolean {
  return a.length === b.length && ipEquals(a.address, b.address);
}

/** Order for sorting: by address, shorter first. Negative, zero or positive. */
export function comparePrefix(a: Prefix, b: Prefix): number {
  return compareIp(a.address, b.address) || a.length - b.length;
}

/** Whether all of `inner` lies in `outer`; false across IP versions. */
export function prefixContains(outer: Prefix, inner: Prefix | IpAddress): boolean {
  const isPrefix = 'address' in inner;
  const address = isPrefix ? inner.address : inner;
  if (address.version !== outer.address.version) return false;
  if (isPrefix && inner.length < outer.length) return false;
  return ipEquals(maskIp(address, outer.length), outer.address);
}

/** An IPv4 address from an unsigned (or signed) 32-bit number. */
export function ipv4FromUint32(value: number): Ipv4Address {
  return { version: 4, octets: Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value) };
}

/**
 * An IPv4 address as an unsigned 32-bit number.
 * @throws RangeError for IPv6
 */
export function ipv4ToUint32(address: IpAddress): number {
  if (address.version !== 4) throw new RangeError(`not an IPv4 address: ${formatIp(address)}`);
  const o = address.octets;
  return (((o[0] ?? 0) << 24) | ((o[1] ?? 0) << 16) | ((o[2] ?? 0) << 8) | (o[3] ?? 0)) >>> 0;
}

/** fe80::/10 or 169.254.0.0/16. */
export function isLinkLocal(address: IpAddress): boolean {
  const [first = 0, second = 0] = address.octets;
  return address.version === 4 ? first === 169 && second === 254 : first === 0xfe && (second & 0xc0) === 0x80;
}

/** 224.0.0.0/4 or ff00::/8. */
export function isMulticast(address: IpAddress): boolean {
  const first = address.octets[0] ?? 0;
  return address.version === 4 ? (first & 0xf0) === 0xe0 : first === 0xff;
}

/** 127.0.0.0/8 or ::1. */
export function isLoopback(address: IpAddress): boolean {
  if (address.version === 4) return address.octets[0] === 127;
  return address.octets[15] === 1 && address.octets.subarray(0, 15).every((octet) => octet === 0);
}

/** 0.0.0.0 or ::. */
export function isUnspecified(address: IpAddress): boolean {
  return address.octets.every((octet) => octet === 0);
}

function parseIpv4Octets(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  const octets = new Uint8Array(4);
  for (let i = 0; i < 4; i++) {
    const part = parts[i] ?? '';
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    octets[i] = Number(part);
  }
  return octets;
}

function parseIpv6Octets(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '', true) : [];
  if (!head || !tail) return undefined;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined;
  const octets = new Uint8Array(16);
  octets.set(head, 0);
  octets.set(tail, 16 - tail.length);
  return octets;
}

/** Octets of colon-separated groups; only at the end of an address may the last one be dotted IPv4. */
function parseGroups(text: string, atEnd: boolean): number[] | undefined {
  if (text === '') return [];
  const octets: number[] = [];
  const groups = text.split(':');
  for (const [i, group] of groups.entries()) {
    if (atEnd && i === groups.length - 1 && group.includes('.')) {
      const dotted = parseIpv4Octets(group);
      if (!dotted) return undefined;
      octets.push(...dotted);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
      const value = Number.parseInt(group, 16);
      octets.push(value >> 8, value & 0xff);
    }
  }
  return octets;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let i = 0; i < groups.length; i++) {
    let n = 0;
    while (groups[i + n] === 0) n++;
    if (n > best.length) best = { start: i, length: n };
    i += n;
  }
  return best;
}
