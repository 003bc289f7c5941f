// What can become of a block. Each function is pure; `undefined` means that the record does not allow it (any more).

import { formatIp, formatPrefix, type Prefix, parseIp, prefixContains } from 'bgp-ts';
import { cutBlocks } from '../cidr.ts';
import { type BlockRecord, type Loan, toPrefix } from './records.ts';

/** A node takes a block that nobody has. The first sequence number is the time: after a loss it does not start over. */
export function claimed(
  record: BlockRecord | undefined,
  claim: { readonly pool: string; readonly node: string; readonly lendable: readonly string[]; readonly nowMs: number },
): BlockRecord | undefined {
  if (record !== undefined && record.holder.state !== 'free') return undefined;
  return {
    pool: claim.pool,
    holder: { state: 'owned', owner: claim.node },
    sequence: record === undefined ? Math.max(1, claim.nowMs) : record.sequence + 1,
    lendable: claim.lendable,
    lent: {},
  };
}

/** The owner gives a block up of which nothing is lent. That it uses none of it is for the owner to see to first. */
export function released(record: BlockRecord, node: string): BlockRecord | undefined {
  if (!isOwner(record, node) || hasLoans(record)) return undefined;
  return freed(record);
}

/** The owner, back from an absence or unsure whether an earlier commit of its own is still under way, says: mine. */
export function confirmed(record: BlockRecord, node: string): BlockRecord | undefined {
  return isOwner(record, node) ? { ...record, holder: { state: 'owned', owner: node } } : undefined;
}

/** The owner's registration ran out. */
export function inGrace(record: BlockRecord, nowMs: number): BlockRecord | undefined {
  if (record.holder.state !== 'owned') return undefined;
  return { ...record, holder: { state: 'grace', owner: record.holder.owner, since: nowMs } };
}

/** The grace time is over and nothing is lent: anybody may claim the block. */
export function graceOver(record: BlockRecord, nowMs: number, graceMs: number): BlockRecord | undefined {
  if (record.holder.state !== 'grace' || nowMs - record.holder.since < graceMs || hasLoans(record)) return undefined;
  return freed(record);
}

/** A node takes a lendable address that nobody has, of a block whose owner is there. */
export function borrowed(
  record: BlockRecord,
  loan: { readonly address: string; readonly node: string; readonly handle: string },
): BlockRecord | undefined {
  if (record.holder.state !== 'owned' || Object.hasOwn(record.lent, loan.address)) return undefined;
  if (!isLendable(record, loan.address)) return undefined;
  const sequence = record.sequence + 1;
  const entry: Loan = { node: loan.node, handle: loan.handle, sequence };
  return { ...record, sequence, lent: { ...record.lent, [loan.address]: entry } };
}

/** A borrower gives back exactly the loan that it means: a later loan of the same address has another number. */
export function gaveBack(
  record: BlockRecord,
  address: string,
  node: string,
  sequence: number,
): BlockRecord | undefined {
  const loan = loanOf(record, address);
  if (loan === undefined || loan.node !== node || loan.sequence !== sequence) return undefined;
  return withoutLoan(record, address);
}

/** A borrower's registration ran out, or (`undefined`) is there again. */
export function borrowerGone(record: BlockRecord, address: string, since: number | undefined): BlockRecord | undefined {
  const loan = loanOf(record, address);
  if (loan === undefined || (loan.goneSince === undefined) === (since === undefined)) return undefined;
  const { node, handle, sequence } = loan;
  const entry: Loan = { node, handle, sequence, ...(since !== undefined && { goneSince: since }) };
  return { ...record, lent: { ...record.lent, [address]: entry } };
}

/** A borrower that is gone for longer than the grace time has lost its loan. */
export function loanOver(
  record: BlockRecord,
  address: string,
  nowMs: number,
  graceMs: number,
): BlockRecord | undefined {
  const since = loanOf(record, address)?.goneSince;
  return since === undefined || nowMs - since < graceMs ? undefined : withoutLoan(record, address);
}

/**
 * A borrower's loan, in use, of which a store that lost everything knows nothing. The owner may have written back an older
 * loan of the same address, which ended before the loss: the one with the higher number is the later one.
 */
export function loanRestored(record: BlockRecord, address: string, loan: Loan): BlockRecord | undefined {
  const other = loanOf(record, address);
  if (record.holder.state === 'free' || (other !== undefined && other.sequence >= loan.sequence)) return undefined;
  if (!isLendable(record, address)) return undefined;
  const { node, handle } = loan;
  const sequence = Math.max(record.sequence, loan.sequence) + 1;
  return { ...record, sequence, lent: { ...record.lent, [address]: { node, handle, sequence } } };
}

/** The owner takes back whatever of its lendable part is not lent. */
export function tookBack(record: BlockRecord, node: string): BlockRecord | undefined {
  if (!isOwner(record, node)) return undefined;
  const lendable = Object.keys(record.lent).map((address) => `${address}/${address.includes(':') ? 128 : 32}`);
  return lendable.length === record.lendable.length && lendable.every((part) => record.lendable.includes(part))
    ? undefined
    : { ...record, lendable };
}

/** False for a while after a loss: loans of the block may not have been written back yet. */
export function isSettled(record: BlockRecord, nowMs: number, settleMs: number): boolean {
  return record.restored === undefined || nowMs - record.restored >= settleMs;
}

/** True for the owner, in its grace time too. */
export function isOwner(record: BlockRecord, node: string): boolean {
  return record.holder.state !== 'free' && record.holder.owner === node;
}

/** The loan of an address. */
export function loanOf(record: BlockRecord, address: string): Loan | undefined {
  return Object.hasOwn(record.lent, address) ? record.lent[address] : undefined;
}

/** The last part of a block, `share` of it rounded down to a power of two; empty where that is no whole address. */
export function lendablePart(block: string, share: number): readonly string[] {
  const whole = toPrefix(block);
  const bits = whole.address.octets.length * 8;
  const length = whole.length + Math.ceil(Math.log2(1 / share));
  if (share <= 0 || length > bits) return [];
  const parts = 1n << BigInt(length - whole.length);
  return cutBlocks(whole, length, parts - 1n, 1).map(formatPrefix);
}

/** A lendable address that nobody has and that is not reserved, in ascending order. */
export function freeLendable(record: BlockRecord, reserved: readonly Prefix[]): string | undefined {
  for (const text of record.lendable) {
    const part = toPrefix(text);
    const bits = part.address.octets.length * 8;
    for (const { address } of cutBlocks(part, bits, 0n, 4096)) {
      const found = formatIp(address);
      if (!Object.hasOwn(record.lent, found) && !reserved.some((range) => prefixContains(range, address))) return found;
    }
  }
  return undefined;
}

function isLendable(record: BlockRecord, address: string): boolean {
  const value = parseIp(address);
  return value !== undefined && record.lendable.some((part) => prefixContains(toPrefix(part), value));
}

function hasLoans(record: BlockRecord): boolean {
  return Object.keys(record.lent).length > 0;
}

function freed(record: BlockRecord): BlockRecord {
  return { pool: record.pool, holder: { state: 'free' }, sequence: record.sequence + 1, lendable: [], lent: {} };
}

function withoutLoan(record: BlockRecord, address: string): BlockRecord {
  const { [address]: _, ...lent } = record.lent;
  return { ...record, lent };
}
