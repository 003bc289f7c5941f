import { formatIp, formatPrefix, type Prefix, parseIp, parsePrefix, prefixContains } from 'bgp-ts';
import { z } from 'zod';
import { err, errorMessage, ok, type Result } from '../../lib/result.ts';

/** All that this folder keeps in the store begins so. */
export const blocksPrefix = 'blocks/';

/** When these blocks began to be counted: written once, and again after the store lost everything. */
export const epochKey = 'blocks/epoch';

/** An address that the owner of its block gave to another node. */
export interface Loan {
  /** The borrower. */
  readonly node: string;
  /** For what the borrower took it, such as a container and its interface. */
  readonly handle: string;
  /** Of the block when the loan was made: no other loan of this block has it. */
  readonly sequence: number;
  /** Ms since 1970: the borrower was first seen without a registration. */
  readonly goneSince?: number;
}

/** A block as the cluster knows it. Prefixes and addresses are in their canonical text. */
export interface BlockRecord {
  /** The pool it was cut from. */
  readonly pool: string;
  /**
   * `owned`: its owner gives out its addresses. `grace`: the owner's registration ran out at `since`; nobody else may
   * have it yet. `free`: had an owner once; kept for the sake of its sequence number.
   */
  readonly holder:
    | { readonly state: 'owned'; readonly owner: string }
    | { readonly state: 'grace'; readonly owner: string; readonly since: number }
    | { readonly state: 'free' };
  /** Grows with every change of owner and every loan. */
  readonly sequence: number;
  /** Parts that the owner promises not to give out itself until it took them back by a commit. */
  readonly lendable: readonly string[];
  /** Address -> loan. */
  readonly lent: Readonly<Record<string, Loan>>;
  /** Ms since 1970: written back after the store was lost. Loans may be missing, so none is made for a while. */
  readonly restored?: number;
}

/** A block and its record. */
export interface Block {
  readonly block: string;
  readonly record: BlockRecord;
}

/** `blocks/v4/10.0.0.0-26` for `10.0.0.0/26`. */
export function blockKey(block: string): string {
  return `${blocksPrefix}${block.includes(':') ? 'v6' : 'v4'}/${block.replace('/', '-')}`;
}

/** The block that a key stands for; `undefined` where it is none that {@link blockKey} makes. */
export function blockOfKey(key: string): string | undefined {
  const block = key.replace(/^blocks\/v[46]\//, '').replace(/-(\d+)$/, '/$1');
  return parsePrefix(block) !== undefined && canonicalPrefix(block) && blockKey(block) === key ? block : undefined;
}

/** The text kept in the store. */
export function formatRecord(record: BlockRecord): string {
  return JSON.stringify(record);
}

const node = z.string().min(1).max(253);
const sequence = z.int().min(1);
const time = z.int().min(0);
const schema = z.strictObject({
  pool: z.string().refine(canonicalPrefix, 'must be a prefix in its canonical form'),
  holder: z.discriminatedUnion('state', [
    z.strictObject({ state: z.literal('owned'), owner: node }),
    z.strictObject({ state: z.literal('grace'), owner: node, since: time }),
    z.strictObject({ state: z.literal('free') }),
  ]),
  sequence,
  lendable: z.array(z.string().refine(canonicalPrefix, 'must be a prefix in its canonical form')),
  lent: z.record(
    z.string().refine(canonicalAddress, 'must be an address in its canonical form'),
    z.strictObject({ node, handle: z.string().min(1).max(1024), sequence, goneSince: time.exactOptional() }),
  ),
  restored: time.exactOptional(),
});

/**
 * Reads a record.
 * @returns the record, or every problem with its path and what was seen, in one line
 */
export function parseRecord(key: string, text: string): Result<Block, string> {
  const block = blockOfKey(key);
  if (block === undefined) return err(`${key}: is no block; wanted such as ${blockKey('10.0.0.0/26')}`);
  const json = readJson(text);
  if (!json.ok) return err(`${key}: ${json.error}`);
  const read = schema.safeParse(json.value);
  if (!read.success) {
    const problems = read.error.issues.map((issue) => {
      const seen = issue.path.reduce<unknown>(member, json.value);
      return `${issue.path.map(String).join('.') || 'record'}: ${shown(seen)}: ${issue.message}`;
    });
    return err(`${key}: ${problems.join('; ')}`);
  }
  const problems = placeProblems(block, read.data);
  return problems.length > 0 ? err(`${key}: ${problems.join('; ')}`) : ok({ block, record: read.data });
}

/** Reads the time at which the blocks began to be counted, ms since 1970. */
export function parseEpoch(text: string): Result<number, string> {
  const json = readJson(text);
  if (!json.ok) return err(`${epochKey}: ${json.error}`);
  const read = z.strictObject({ since: time }).safeParse(json.value);
  return read.success ? ok(read.data.since) : err(`${epochKey}: ${shown(json.value)}: must be {"since": milliseconds}`);
}

function placeProblems(block: string, record: BlockRecord): string[] {
  const whole = toPrefix(block);
  const problems: string[] = [];
  if (!prefixContains(toPrefix(record.pool), whole)) problems.push(`pool: ${record.pool}: does not contain ${block}`);
  for (const part of record.lendable) {
    if (!prefixContains(whole, toPrefix(part))) problems.push(`lendable: ${part}: is not in ${block}`);
  }
  for (const [address, loan] of Object.entries(record.lent)) {
    const value = parseIp(address);
    if (value === undefined || !prefixContains(whole, value)) problems.push(`lent: ${address}: is not in ${block}`);
    else if (!record.lendable.some((part) => prefixContains(toPrefix(part), value))) {
      problems.push(`lent: ${address}: is not in the lendable part`);
    }
    if (loan.sequence > record.sequence) {
      problems.push(`lent.${address}.sequence: ${loan.sequence}: is above the block's ${record.sequence}`);
    }
  }
  if (record.holder.state === 'free' && Object.keys(record.lent).length > 0) {
    problems.push(`lent: ${Object.keys(record.lent).join(', ')}: a block without owner cannot lend`);
  }
  return problems;
}

function readJson(text: string): Result<unknown, string> {
  try {
    return ok(JSON.parse(text));
  } catch (thrown) {
    return err(`${shown(text)}: ${errorMessage(thrown)}`);
  }
}

function member(value: unknown, key: PropertyKey): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function canonicalPrefix(text: string): boolean {
  const value = parsePrefix(text);
  return value !== undefined && formatPrefix(value) === text;
}

function canonicalAddress(text: string): boolean {
  const value = parseIp(text);
  return value !== undefined && formatIp(value) === text;
}

/** A prefix that was checked before. @throws Error where it was not (a bug) */
export function toPrefix(text: string): Prefix {
  const value = parsePrefix(text);
  if (value === undefined) throw new Error(`${JSON.stringify(text)} is no prefix`);
  return value;
}
