import { type IpAddress, type Prefix, parseAsn, parseCommunity, parseExtendedCommunity, parseIp } from 'bgp-ts';
import { z } from 'zod';
import { AsPathPattern } from '../lib/as-path-pattern.ts';
import { err, errorMessage, ok, type Result } from '../lib/result.ts';
import { parseCidr } from './cidr.ts';
import { parseSelector, type Selector } from './selector.ts';

/** Reads one value of a resource; the error says what was seen and what is wanted. */
export type Read<T> = (value: unknown) => Result<T, string>;

/** A zod schema around a reader. */
export function field<T>(read: Read<T>): z.ZodType<T> {
  return z.unknown().transform((value, context): T => {
    const result = read(value);
    if (result.ok) return result.value;
    context.addIssue({ code: 'custom', message: result.error, input: value });
    return z.NEVER;
  }) as unknown as z.ZodType<T>;
}

/** A value as it is shown in a message. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 64 ? `${value.slice(0, 61)}...` : value);
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a mapping';
  return String(value);
}

/** Text of at most `max` characters. */
export function text(max = 1024): Read<string> {
  return (value) => {
    if (typeof value !== 'string') {
      return err(`${show(value)}: must be text${typeof value === 'number' ? ', so put it in quotes' : ''}`);
    }
    return value.length <= max ? ok(value) : err(`${value.length} characters: at most ${max} are allowed`);
  };
}

/** Text that is not empty. */
export function nonEmptyText(max = 1024): Read<string> {
  const read = text(max);
  return (value) => {
    const result = read(value);
    return result.ok && result.value === '' ? err('must not be empty') : result;
  };
}

/** `true` or `false`. */
export const boolean: Read<boolean> = (value) =>
  typeof value === 'boolean' ? ok(value) : err(`${show(value)}: must be true or false`);

/** How many paths of a prefix are told: `all`, `best N` or, for none but the one, `false`. */
export const pathCount: Read<number | 'all' | false> = (value) => {
  if (value === false || value === 'all') return ok(value);
  const digits = typeof value === 'string' ? /^best ([1-9]\d{0,2})$/.exec(value)?.[1] : undefined;
  return digits === undefined
    ? err(`${show(value)}: must be all, best N (N from 1 to 999) or false`)
    : ok(Number(digits));
};

/** A whole number between both ends. */
export function integer(min: number, max: number): Read<number> {
  return (value) => {
    if (typeof value !== 'number' || !Number.isInteger(value)) return err(`${show(value)}: must be a whole number`);
    return value >= min && value <= max ? ok(value) : err(`${value}: must be from ${min} to ${max}`);
  };
}

/** One of a few words; upper and lower case are the same if `anyCase`. The word comes back as it is listed. */
export function oneOf<const T extends string>(words: readonly T[], anyCase = false): Read<T> {
  return (value) => {
    const found = words.find(
      (word) => word === value || (anyCase && typeof value === 'string' && word.toLowerCase() === value.toLowerCase()),
    );
    return found === undefined ? err(`${show(value)}: must be ${listWords(words)}`) : ok(found);
  };
}

/** One of a few words, or something else. */
export function wordOr<const W extends string, T>(words: readonly W[], read: Read<T>): Read<W | T> {
  return (value) => {
    const word = words.find((candidate) => candidate === value);
    return word === undefined ? read(value) : ok(word);
  };
}

/** A regular expression over AS paths. */
export const asPathPattern: Read<string> = (value) => {
  const result = nonEmptyText(512)(value);
  if (!result.ok) return result;
  try {
    return ok(AsPathPattern.parse(result.value).text);
  } catch (thrown) {
    return err(errorMessage(thrown));
  }
};

/** `a, b or c`. */
export function listWords(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

/** An AS number in any of its three forms: 65000, "65000" or "1.10". */
export const asNumber: Read<number> = (value) => {
  if (typeof value === 'number' && !Number.isInteger(value)) {
    return err(`${value}: an AS number with a dot must be in quotes ("${value}")`);
  }
  const asn = typeof value === 'number' || typeof value === 'string' ? parseAsn(String(value)) : undefined;
  if (asn === undefined) return err(`${show(value)}: must be an AS number, 1 to 4294967295 or "1.10"`);
  return asn === 0 ? err('0: AS 0 is reserved (RFC 7607)') : ok(asn);
};

/** An IP address without prefix length or zone. */
export const ipAddress: Read<IpAddress> = (value) => {
  const address = typeof value === 'string' ? parseIp(value) : undefined;
  return address === undefined ? err(`${show(value)}: must be an IPv4 or IPv6 address`) : ok(address);
};

/** An IP address of one version. */
export function ipOfVersion(version: 4 | 6): Read<IpAddress> {
  return (value) => {
    const result = ipAddress(value);
    if (result.ok && result.value.version === version) return result;
    return err(`${show(value)}: must be an IPv${version} address`);
  };
}

/** The address of an interface, `10.0.0.1` or `10.0.0.1/24`; the length is dropped. */
export function interfaceAddress(version: 4 | 6): Read<IpAddress> {
  return (value) => {
    const [address, length, more] = typeof value === 'string' ? value.split('/') : [];
    const result = ipOfVersion(version)(address);
    const bits = version === 4 ? 32 : 128;
    const isLengthBad = length !== undefined && !(/^\d{1,3}$/.test(length) && Number(length) <= bits);
    if (!result.ok || isLengthBad || more !== undefined) {
      return err(`${show(value)}: must be an IPv${version} address, with or without a prefix length`);
    }
    return result;
  };
}

/** A router or cluster id: written like an IPv4 address, not 0.0.0.0. */
export const routerId: Read<IpAddress> = (value) => {
  const result = ipOfVersion(4)(value);
  if (!result.ok) return err(`${show(value)}: must be written like an IPv4 address`);
  return result.value.octets.every((octet) => octet === 0) ? err('0.0.0.0: is no identifier') : result;
};

/** A prefix without host bits; of one version if `version` is given. */
export function cidr(version?: 4 | 6): Read<Prefix> {
  return (value) => {
    const result = parseCidr(value);
    if (!result.ok) return result;
    if (version !== undefined && result.value.address.version !== version) {
      return err(`${show(value)}: must be an IPv${version} prefix`);
    }
    return result;
  };
}

const DURATION_UNITS: Readonly<Record<string, number>> = {
  h: 3600,
  m: 60,
  s: 1,
  ms: 1e-3,
  us: 1e-6,
  µs: 1e-6,
  ns: 1e-9,
};

/** Seconds from Go's text form ("90s", "1m30s", "500ms") or a number of seconds; rounded to whole seconds. */
export const seconds: Read<number> = (value) => {
  if (typeof value === 'number') {
    return Number.isInteger(value) && value >= 0 ? ok(value) : err(`${value}: must be a duration such as "90s"`);
  }
  const wrong = err(`${show(value)}: must be a duration such as "90s" or "1m30s"`);
  if (typeof value !== 'string' || !/^((\d+(\.\d*)?|\.\d+)(h|ms|m|s|us|µs|ns))+$/.test(value)) {
    return value === '0' ? ok(0) : wrong;
  }
  let total = 0;
  for (const [, amount, unit] of value.matchAll(/(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|µs|ns)/g)) {
    total += Number(amount) * (DURATION_UNITS[unit ?? ''] ?? 0);
  }
  return ok(Math.round(total));
};

const RATE_UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12 };

/** A bit rate, "10G", "2.5G" or "100M", powers of ten; in bits per second. */
export const bitRate: Read<number> = (value) => {
  const found = /^(\d+(?:\.\d+)?)([kMGT]?)$/.exec(typeof value === 'number' ? String(value) : show(value).slice(1, -1));
  const rate = Number(found?.[1]) * (RATE_UNITS[found?.[2] ?? ''] ?? 0);
  return rate > 0 && rate <= 1e18 ? ok(rate) : err(`${show(value)}: must be a bit rate such as "10G" or "100M"`);
};

/** A duration between both ends, in seconds. */
export function secondsBetween(min: number, max: number): Read<number> {
  return (value) => {
    const result = seconds(value);
    if (!result.ok || (result.value >= min && result.value <= max)) return result;
    return err(`${result.value} s: must be from ${min} to ${max} s`);
  };
}

/** A hold time (RFC 4271 §4.2). */
export const holdTime: Read<number> = (value) => {
  const result = seconds(value);
  if (!result.ok) return result;
  if (result.value > 65535) return err(`${result.value} s: must be at most 65535 s`);
  if (result.value === 0 || result.value >= 3) return result;
  return err(`${result.value} s: must be 0 or at least 3 s (RFC 4271 §4.2)`);
};

/** A label selector; `forbidGlobal` for kinds that have no use for `global()`. */
export function selector(forbidGlobal = false): Read<Selector> {
  const read = text(1024);
  return (value) => {
    const result = read(value);
    if (!result.ok) return result;
    const parsed = parseSelector(result.value);
    if (!parsed.ok) return err(`${show(value)}: ${parsed.error}`);
    if (forbidGlobal && mentionsGlobal(parsed.value)) return err(`${show(value)}: global() has no meaning here`);
    return parsed;
  };
}

function mentionsGlobal(selector: Selector): boolean {
  switch (selector.type) {
    case 'global':
      return true;
    case 'not':
      return mentionsGlobal(selector.operand);
    case 'and':
    case 'or':
      return selector.operands.some(mentionsGlobal);
    default:
      return false;
  }
}

/** Where a peer listens. */
export interface PeerAddress {
  readonly address: IpAddress;
  readonly port: number | undefined;
  /** Zone of a link-local address: the interface. */
  readonly zone: string | undefined;
}

/** `192.0.2.1`, `192.0.2.1:1790`, `2001:db8::1`, `[2001:db8::1]:1790`, and `fe80::1%eth0` if zones are allowed. */
export function peerAddress(allowZone: boolean): Read<PeerAddress> {
  return (value) => {
    const wrong = err(`${show(value)}: must be an address, with a port as 192.0.2.1:179 or [2001:db8::1]:179`);
    if (typeof value !== 'string') return wrong;
    const found =
      /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(value) ?? /^([^:]+):(\d{1,5})$/.exec(value) ?? /^(.+)$/.exec(value);
    const [host = '', zone, more] = (found?.[1] ?? '').split('%');
    const address = parseIp(host);
    if (address === undefined || more !== undefined || zone === '') return wrong;
    if (zone !== undefined && !allowZone) return err(`${show(value)}: a zone is not allowed here`);
    if (zone !== undefined && address.version === 4) return wrong;
    const port = found?.[2] === undefined ? undefined : Number(found[2]);
    if (port !== undefined && (port < 1 || port > 65535)) return err(`${port}: a port is from 1 to 65535`);
    return ok({ address, port, zone });
  };
}

/** A community written as `aa:nn` (RFC 1997) or `aa:nn:mm` (RFC 8092). */
export type CommunityText =
  | { readonly type: 'standard'; readonly value: number }
  | { readonly type: 'large'; readonly globalAdmin: number; readonly local1: number; readonly local2: number };

/** A standard or large community; well-known ones also by name, such as `no-export`. */
export const community: Read<CommunityText> = (value) => {
  const wrong = err(`${show(value)}: must be a community, "aa:nn" (16-bit numbers) or "aa:nn:mm" (32-bit numbers)`);
  if (typeof value !== 'string') return wrong;
  const standard = parseCommunity(value);
  if (standard !== undefined) return ok({ type: 'standard', value: standard });
  if (!/^\d{1,10}(:\d{1,10}){2}$/.test(value)) return wrong;
  const parts = value.split(':').map(Number);
  const [a = 0, b = 0, c = 0] = parts;
  return parts.every((part) => part <= 0xffffffff)
    ? ok({ type: 'large', globalAdmin: a, local1: b, local2: c })
    : wrong;
};

/** An extended community (RFC 4360). */
export interface ExtendedCommunityText {
  readonly type: 'extended';
  /** Eight. */
  readonly octets: Uint8Array;
}

/** A community of any kind: as {@link community}, or an extended one as `rt:65000:1`, `soo:192.0.2.1:7`, `0x` and 16 hex digits. */
export const communityValue: Read<CommunityText | ExtendedCommunityText> = (value) => {
  const octets = typeof value === 'string' ? parseExtendedCommunity(value) : undefined;
  if (octets !== undefined) return ok({ type: 'extended', octets });
  const result = community(value);
  if (result.ok) return result;
  return err(`${show(value)}: must be a community, "aa:nn", "aa:nn:mm", "rt:65000:1" or "soo:65000:1"`);
};

/** A part of a community pattern. */
export type CommunityPartText = number | '*' | { readonly min: number; readonly max: number };

/** A community with `*` or `min-max` in place of numbers. */
export type CommunityPatternText =
  | { readonly type: 'standard'; readonly parts: readonly [CommunityPartText, CommunityPartText] }
  | {
      readonly type: 'large';
      readonly parts: readonly [CommunityPartText, CommunityPartText, CommunityPartText];
    }
  | { readonly type: 'extended'; readonly hex: string };

/**
 * A pattern of communities: `65000:*`, `65000:100-199`, `65000:1:*`, a well-known one by name, or of extended ones `rt:65000:*`, `rt:65000:1`,
 * `0x` and 16 hex digits of which any may be `*`.
 */
export const communityPattern: Read<CommunityPatternText> = (value) => {
  const wrong = err(`${show(value)}: must be a community, where a part may be * or a range such as 100-199`);
  if (typeof value !== 'string') return wrong;
  const extended = extendedPattern(value);
  if (extended !== undefined) return ok({ type: 'extended', hex: extended });
  const wellKnown = /^\d/.test(value) ? undefined : parseCommunity(value);
  if (wellKnown !== undefined) return ok({ type: 'standard', parts: [wellKnown >>> 16, wellKnown & 0xffff] });
  const texts = value.split(':');
  const limit = texts.length === 2 ? 0xffff : 0xffffffff;
  const parts: CommunityPartText[] = [];
  for (const part of texts) {
    const found = /^(\*|(\d{1,10})(?:-(\d{1,10}))?)$/.exec(part);
    if (found === null) return wrong;
    const min = Number(found[2]);
    const max = Number(found[3] ?? found[2]);
    if (part !== '*' && (max > limit || min > max)) return wrong;
    parts.push(part === '*' ? '*' : found[3] === undefined ? min : { min, max });
  }
  const [a, b, c] = parts;
  if (a === undefined || b === undefined || parts.length > 3) return wrong;
  return ok(c === undefined ? { type: 'standard', parts: [a, b] } : { type: 'large', parts: [a, b, c] });
};

/** 16 hex digits, `*` for any, of an extended community whose last part may be `*`. */
function extendedPattern(value: string): string | undefined {
  if (/^0x[0-9a-f*]{16}$/i.test(value)) return value.slice(2).toLowerCase();
  const isOpen = value.endsWith(':*');
  const octets = parseExtendedCommunity(isOpen ? `${value.slice(0, -1)}0` : value);
  if (octets === undefined) return undefined;
  const hex = Buffer.from(octets).toString('hex');
  // The last part has four octets behind an AS number of two, else two (RFC 4360 §3, RFC 5668).
  const open = isOpen ? (octets[0] === 0 ? 8 : 4) : 0;
  return hex.slice(0, 16 - open) + '*'.repeat(open);
}
