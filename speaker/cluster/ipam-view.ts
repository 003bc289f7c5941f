import { comparePrefix, formatIp, formatPrefix, type Prefix, prefixContains } from 'bgp-ts';
import type { CniServer } from '../../cni/server.ts';
import { type BlockRecord, blocksPrefix, epochKey, parseRecord, toPrefix } from '../../config/blocks/records.ts';
import type { DesiredState } from '../../config/desired-state.ts';
import type { ApiClusterBlock, IpamCheckReply, IpamReply } from '../../lib/api-cluster.ts';
import type { ClusterBlocks } from './blocks.ts';
import type { Cluster } from './cluster.ts';
import { orUnavailable } from './unavailable.ts';

/** What this view reads. */
export interface IpamParts {
  readonly cni: CniServer | undefined;
  state(): DesiredState;
  blocks(): ClusterBlocks | undefined;
  /** Blocks in force that were claimed, not configured. */
  claimed(): readonly Prefix[];
}

interface StoredBlocks {
  readonly blocks: readonly { readonly block: string; readonly record: BlockRecord }[];
  readonly unreadable: readonly string[];
}

async function readBlocks(cluster: Cluster): Promise<StoredBlocks> {
  const { entries } = await orUnavailable(() => cluster.store.list(blocksPrefix));
  const read = entries.filter(({ key }) => key !== epochKey).map(({ key, value }) => parseRecord(key, value));
  return {
    blocks: read.flatMap((one) => (one.ok ? [one.value] : [])),
    unreadable: read.flatMap((one) => (one.ok ? [] : [one.error])),
  };
}

/** Pools and blocks, and who has them. */
export async function ipamReply(parts: IpamParts, cluster: Cluster): Promise<IpamReply> {
  const { blocks } = await readBlocks(cluster);
  const { pools, node } = parts.state();
  const own = new Map((parts.cni?.blocks() ?? []).map((block) => [formatPrefix(block.prefix), block]));
  const problem = parts.blocks()?.problem;
  return {
    pools: pools.map(({ name, prefix, blockLength, disabled }) => {
      const cidr = formatPrefix(prefix);
      const ofPool = blocks.filter(({ record }) => record.pool === cidr && record.holder.state !== 'free');
      const bits = Math.max(0, blockLength - prefix.length);
      return { name, cidr, blockLength, blocks: 2 ** Math.min(bits, 52), taken: ofPool.length, disabled };
    }),
    blocks: blocks.map(({ block, record }): ApiClusterBlock => {
      const { holder } = record;
      const owner = holder.state === 'free' ? undefined : holder.owner;
      const here = owner === node.name ? own.get(block) : undefined;
      return {
        block,
        pool: record.pool,
        state: holder.state,
        ...(owner === undefined ? {} : { owner }),
        isOwn: owner === node.name,
        ...(here === undefined ? {} : { used: here.used, size: here.capacity }),
        lent: Object.entries(record.lent).map(([address, loan]) => ({ address, node: loan.node, handle: loan.handle })),
      };
    }),
    ...(problem === undefined ? {} : { problem }),
  };
}

/** What does not agree: blocks of the store among themselves, with what this node has in force, pods with blocks, kernel with pods. */
export async function ipamCheck(parts: IpamParts, cluster: Cluster): Promise<IpamCheckReply> {
  const { blocks, unreadable } = await readBlocks(cluster);
  const state = parts.state();
  const problems = [...unreadable];
  const taken = blocks
    .filter(({ record }) => record.holder.state !== 'free')
    .map(({ block, record }) => ({ prefix: toPrefix(block), block, record }));
  // In order of prefix, what lies inside a block follows it.
  const ordered = taken.toSorted((a, b) => comparePrefix(a.prefix, b.prefix));
  for (const [i, outer] of ordered.entries()) {
    for (let n = i + 1; n < ordered.length; n++) {
      const inner = ordered[n];
      if (inner === undefined || !prefixContains(outer.prefix, inner.prefix)) break;
      problems.push(`block ${inner.block} overlaps block ${outer.block}`);
    }
  }
  const mine = taken.filter(({ record }) => record.holder.state === 'owned' && record.holder.owner === state.node.name);
  const inForce = new Map(state.blocks.map(({ prefix }) => [formatPrefix(prefix), prefix]));
  const isClaiming = parts.blocks() !== undefined;
  for (const { block } of isClaiming ? mine : []) {
    if (!inForce.has(block)) problems.push(`block ${block} is this node's in the store, and not in force here`);
  }
  const owned = new Set(mine.map(({ block }) => block));
  for (const prefix of parts.claimed()) {
    const block = formatPrefix(prefix);
    if (!owned.has(block)) problems.push(`block ${block} is in force here, and in the store it is not this node's`);
  }
  const pods = parts.cni?.pods() ?? [];
  const seen = new Map<string, string>();
  for (const pod of pods) {
    for (const address of pod.addresses) {
      const text = formatIp(address);
      const other = seen.get(text);
      if (other !== undefined) problems.push(`${text} is held twice: by ${other} and ${pod.containerId}`);
      seen.set(text, pod.containerId);
      const isInside = [...inForce.values()].some((prefix) => prefixContains(prefix, address));
      const elsewhere = taken.find(({ prefix }) => prefixContains(prefix, address));
      const isLent = elsewhere?.record.lent[text]?.node === state.node.name;
      if (!isInside && !isLent) {
        const owner =
          elsewhere === undefined || elsewhere.record.holder.state === 'free'
            ? 'nobody'
            : elsewhere.record.holder.owner;
        problems.push(
          `${text} of pod ${pod.podName ?? pod.containerId} is in no block of this node; its block belongs to ${owner}`,
        );
      }
    }
  }
  for (const { block, record } of taken) {
    for (const [address, loan] of Object.entries(record.lent)) {
      if (loan.node === state.node.name && !seen.has(address)) {
        problems.push(`${address} of block ${block} is borrowed by this node, and no pod has it`);
      }
    }
  }
  const audit = (await parts.cni?.audit()) ?? { interfaces: 0, problems: [] };
  problems.push(...audit.problems);
  return {
    isClean: problems.length === 0,
    checked: { blocks: taken.length, pods: pods.length, interfaces: audit.interfaces },
    problems,
  };
}
