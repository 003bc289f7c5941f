import { formatPrefix, type IpAddress, ip, maskIp, type Prefix, parseIp, parsePrefix } from 'bgp-ts';
import IpCidr from 'ip-cidr';
import { err, ok, type Result } from '../lib/result.ts';

/** A prefix from configuration text; host bits are refused, with the prefix that was probably meant. */
export function parseCidr(value: unknown): Result<Prefix, string> {
  const shown = JSON.stringify(value);
  if (typeof value === 'string') {
    const prefix = parsePrefix(value);
    if (prefix !== undefined) return ok(prefix);
    const [host = '', length = ''] = value.split('/');
    const address = parseIp(host);
    if (address !== undefined && /^\d{1,3}$/.test(length) && Number(length) <= (address.version === 4 ? 32 : 128)) {
      const meant = { address: maskIp(address, Number(length)), length: Number(length) };
      return err(`${shown}: has bits set behind its length; did you mean ${formatPrefix(meant)}?`);
    }
  }
  return err(`${shown}: must be a prefix such as 10.0.0.0/16 or 2001:db8::/48`);
}

/** True if all of `inner` lies in `outer`. */
export function contains(outer: Prefix, inner: Prefix): boolean {
  if (outer.address.version !== inner.address.version) return false;
  const range = toIpCidr(outer);
  const { start, end } = toIpCidr(inner).toObject();
  return range.contains(start) && range.contains(end);
}

/** True if the two have an address in common. */
export function overlaps(a: Prefix, b: Prefix): boolean {
  return contains(a, b) || contains(b, a);
}

/** How many blocks of `blockLength` bits a pool is cut into. */
export function blockCount(pool: Prefix, blockLength: number): bigint {
  return 1n << BigInt(Math.max(0, blockLength - pool.length));
}

/**
 * Blocks number `from` to `from + limit - 1` of a pool that is cut into blocks of `blockLength` bits; fewer where it ends.
 * @throws RangeError if `blockLength` is shorter than the pool or longer than an address
 */
export function cutBlocks(pool: Prefix, blockLength: number, from: bigint, limit: number): Prefix[] {
  const bits = pool.address.octets.length * 8;
  if (blockLength < pool.length || blockLength > bits) {
    throw new RangeError(`block length ${blockLength}: must be from ${pool.length} to ${bits}`);
  }
  const size = 1n << BigInt(bits - blockLength);
  const count = blockCount(pool, blockLength);
  const start = addressNumber(pool.address);
  const blocks: Prefix[] = [];
  for (let i = from; i < count && blocks.length < limit; i++) {
    blocks.push({ address: numberAddress(start + i * size, pool.address.version), length: blockLength });
  }
  return blocks;
}

function toIpCidr(prefix: Prefix): IpCidr {
  return new IpCidr(formatPrefix(prefix));
}

function addressNumber(address: IpAddress): bigint {
  return address.octets.reduce((sum, octet) => sum * 256n + BigInt(octet), 0n);
}

function numberAddress(value: bigint, version: 4 | 6): IpAddress {
  const { octets } = version === 4 ? ip('0.0.0.0') : ip('::');
  let rest = value;
  for (let i = octets.length - 1; i >= 0; i--) {
    octets[i] = Number(rest & 255n);
    rest >>= 8n;
  }
  return { version, octets };
}
