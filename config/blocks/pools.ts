import { formatPrefix, type Prefix } from 'bgp-ts';
import { blockCount, cutBlocks, overlaps } from '../cidr.ts';
import { defaultBlockLength, type IpPoolSpec } from '../resources/ip-pool.ts';
import { type Labels, matchesSelector } from '../selector.ts';
import { type BlockRecord, toPrefix } from './records.ts';

/** A pool that a node may take blocks from. */
export interface Pool {
  readonly cidr: Prefix;
  /** Bits of a block's prefix. */
  readonly blockLength: number;
}

/**
 * The pools that give this node blocks for its pods, in the order given: enabled, for workloads, automatic, and with a
 * node selector that selects the node (none selects all).
 */
export function poolsFor(pools: readonly IpPoolSpec[], labels: Labels): Pool[] {
  return pools
    .filter(
      (pool) =>
        pool.disabled !== true &&
        pool.assignmentMode !== 'Manual' &&
        (pool.allowedUses === undefined || pool.allowedUses.includes('Workload')) &&
        (pool.nodeSelector === undefined || matchesSelector(pool.nodeSelector, labels)),
    )
    .map((pool) => ({ cidr: pool.cidr, blockLength: pool.blockSize ?? defaultBlockLength(pool.cidr.address.version) }));
}

/**
 * A block of the pool that nobody has. The search begins at a place that the node's name decides, so that nodes which
 * start together rarely reach for the same one, and goes once around the pool.
 * @param records all blocks; one that overlaps a block in use of another length (a pool cut differently before) is not taken
 * @param mayCreate whether blocks without a record may be taken, which is not so right after the store lost everything
 * @param avoid blocks that somebody else was faster to take, or whose record cannot be read
 */
export function findFreeBlock(
  pool: Pool,
  node: string,
  records: ReadonlyMap<string, BlockRecord>,
  mayCreate: boolean,
  avoid: ReadonlySet<string> = new Set(),
): string | undefined {
  const count = blockCount(pool.cidr, pool.blockLength);
  const start = count === 0n ? 0n : BigInt(hashText(node)) % count;
  const foreign = [...records]
    .filter(([block, record]) => record.holder.state !== 'free' && !block.endsWith(`/${pool.blockLength}`))
    .map(([block]) => block);
  // One more than there are records is enough: one of them must be free.
  const limit = BigInt(records.size + avoid.size + 1 + foreign.length * 4096);
  for (let i = 0n; i < count && i <= limit; i++) {
    const [prefix] = cutBlocks(pool.cidr, pool.blockLength, (start + i) % count, 1);
    if (prefix === undefined) return undefined;
    const block = formatPrefix(prefix);
    if (avoid.has(block)) continue;
    const record = records.get(block);
    if (record === undefined ? !mayCreate : record.holder.state !== 'free') continue;
    if (foreign.some((other) => overlapsText(other, prefix))) continue;
    return block;
  }
  return undefined;
}

/** FNV-1a over UTF-16 code units, 32 bits. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

function overlapsText(block: string, other: Prefix): boolean {
  return overlaps(toPrefix(block), other);
}
