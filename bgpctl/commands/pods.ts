import type { Block, BlocksReply, Pod, PodsReply } from '../../lib/api-pods.ts';
import { type Context, print } from '../context.ts';
import { type Column, formatTable, plural, type TableStyle } from '../format.ts';

/** `show pods`. */
export async function showPods(context: Context): Promise<void> {
  await print(context, await context.client.get<PodsReply>('/v1/pods'), formatPods);
}

/** The pods of this node. Container ids are shortened to 12 characters, as runtimes do. */
export function formatPods(reply: PodsReply, style: TableStyle = {}): string {
  if (reply.pods.length === 0) return 'No pods.\n';
  const columns: Column<Pod>[] = [
    {
      title: 'Pod',
      value: (pod) => (pod.name === undefined ? '-' : `${pod.namespace ?? ''}/${pod.name}`),
      shrinkTo: 16,
    },
    { title: 'Container', value: (pod) => pod.containerId.slice(0, 12) },
    { title: 'Interface', value: (pod) => pod.interface },
    { title: 'Host side', value: (pod) => pod.hostInterface ?? '-' },
    { title: 'Addresses', value: (pod) => pod.addresses.join(' ') },
  ];
  return `${formatTable(columns, reply.pods, style)}\n${plural(reply.pods.length, 'pod')}\n`;
}

/** `show blocks`. */
export async function showBlocks(context: Context): Promise<void> {
  await print(context, await context.client.get<BlocksReply>('/v1/blocks'), formatBlocks);
}

/** The address blocks of this node. */
export function formatBlocks(reply: BlocksReply, style: TableStyle = {}): string {
  if (reply.blocks.length === 0) return 'No address blocks.\n';
  const columns: Column<Block>[] = [
    { title: 'Block', value: (block) => block.prefix },
    { title: 'Pool', value: (block) => block.pool ?? '-' },
    { title: 'Used', align: 'right', value: (block) => String(block.used) },
    {
      title: 'Free',
      align: 'right',
      value: (block) => addresses(block.free),
      colour: (block) => (block.free === 0 ? 'bad' : undefined),
    },
    { title: 'Size', align: 'right', value: (block) => addresses(block.size) },
    { title: 'Advertised', value: (block) => (block.advertised ? 'yes' : 'no') },
    { title: 'Discard route', value: (block) => block.discard },
  ];
  return `${formatTable(columns, reply.blocks, style)}\n${plural(reply.blocks.length, 'block')}\n`;
}

function addresses(count: number): string {
  return count >= Number.MAX_SAFE_INTEGER ? '> 2^53' : String(count);
}
