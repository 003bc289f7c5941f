import type {
  ApiClusterBlock,
  ApiClusterNode,
  ApiDetection,
  IpamCheckReply,
  IpamReply,
  NodeReply,
} from '../../lib/api-cluster.ts';
import { type Context, print } from '../context.ts';
import { CliError, ExitCode } from '../errors.ts';
import { type Column, formatTable, plural, printable, type TableStyle } from '../format.ts';

/** `node`. */
export async function showNode(context: Context): Promise<void> {
  await print(context, await context.client.get<NodeReply>('/v1/node'), formatNode);
}

/** This node, the store, and who else is there. */
export function formatNode({ node, addresses, store, registration, nodes }: NodeReply, style: TableStyle = {}): string {
  const labels = Object.entries(node.labels).map(([key, value]) => `${key}=${value}`);
  const reason = registration.reason === undefined ? '' : `: ${registration.reason}`;
  const lines = [
    `Node ${node.name}, AS ${node.asn}, router id ${node.routerId}`,
    ...addresses.map(detectionLine),
    ...(node.clusterId === undefined ? [] : [`Route reflector of cluster ${node.clusterId}`]),
    ...(labels.length === 0 ? [] : [`Labels: ${labels.join(', ')}`]),
    `Store: ${store.type}${store.problem === undefined ? '' : `, away: ${store.problem}`}`,
    `Registration: ${registration.state}${reason}`,
  ].map(printable);
  const columns: Column<ApiClusterNode>[] = [
    { title: 'Node', value: ({ name }) => name },
    { title: 'AS', align: 'right', value: ({ asn }) => String(asn) },
    { title: 'IPv4', value: ({ ipv4Address }) => ipv4Address ?? '-' },
    { title: 'IPv6', value: ({ ipv6Address }) => ipv6Address ?? '-' },
    { title: 'Reflector', value: ({ clusterId }) => clusterId ?? '-' },
    { title: 'Version', value: ({ version }) => version ?? '-' },
    {
      title: 'State',
      value: ({ goneSeconds }) => (goneSeconds === undefined ? 'registered' : `gone for ${Math.round(goneSeconds)} s`),
      colour: ({ goneSeconds }) => (goneSeconds === undefined ? undefined : 'bad'),
    },
  ];
  const table = nodes.length === 0 ? '' : `\n${formatTable(columns, nodes, style)}\n${plural(nodes.length, 'node')}\n`;
  return `${lines.join('\n')}\n${formatCandidates(addresses, style)}${table}`;
}

/** The address of one IP version, and where it comes from. */
function detectionLine({ version, method, address, interface: device, problem }: ApiDetection): string {
  const how =
    method === 'configured'
      ? 'named by the Node'
      : method === 'none'
        ? 'not looked for'
        : `${device === undefined ? '' : `on ${device}, `}by ${method}`;
  return `IPv${version} address: ${address ?? 'none'} (${how})${problem === undefined ? '' : `: ${problem}`}`;
}

/** Everything that could have been a node's address, and why it is or is not. */
function formatCandidates(addresses: readonly ApiDetection[], style: TableStyle): string {
  const rows = addresses.flatMap(({ candidates }) => candidates);
  const columns: Column<ApiDetection['candidates'][number]>[] = [
    { title: 'Interface', value: (row) => row.interface },
    { title: 'Kind', value: ({ kind }) => kind ?? '-' },
    { title: 'Address', value: ({ address }) => address ?? '-' },
    { title: 'Node address', value: ({ isChosen }) => (isChosen ? 'yes' : 'no') },
    { title: 'Why', value: ({ reason }) => reason },
  ];
  return rows.length === 0 ? '' : `\n${formatTable(columns, rows, style)}`;
}

/** `ipam show`. */
export async function showIpam(context: Context): Promise<void> {
  await print(context, await context.client.get<IpamReply>('/v1/ipam'), formatIpam);
}

/** Pools and blocks. */
export function formatIpam({ pools, blocks, problem }: IpamReply, style: TableStyle = {}): string {
  const poolColumns: Column<IpamReply['pools'][number]>[] = [
    { title: 'Pool', value: ({ name }) => name },
    { title: 'CIDR', value: ({ cidr }) => cidr },
    { title: 'Blocks of', value: ({ blockLength }) => `/${blockLength}` },
    { title: 'Taken', align: 'right', value: ({ taken }) => String(taken) },
    { title: 'All', align: 'right', value: ({ blocks: all }) => (all >= 2 ** 50 ? '> 2^50' : String(all)) },
    { title: 'State', value: ({ disabled }) => (disabled ? 'disabled' : 'enabled') },
  ];
  const blockColumns: Column<ApiClusterBlock>[] = [
    { title: 'Block', value: ({ block }) => block },
    { title: 'State', value: ({ state }) => state, colour: ({ state }) => (state === 'grace' ? 'warn' : undefined) },
    {
      title: 'Owner',
      value: ({ owner, isOwn }) => (owner === undefined ? '-' : isOwn ? `${owner} (this node)` : owner),
    },
    { title: 'Used', align: 'right', value: ({ used, size }) => (used === undefined ? '-' : `${used}/${size ?? '?'}`) },
    { title: 'Lent', align: 'right', value: ({ lent }) => String(lent.length) },
  ];
  const parts = [
    pools.length === 0 ? 'No pools.' : formatTable(poolColumns, pools, style),
    blocks.length === 0 ? 'No blocks.' : formatTable(blockColumns, blocks, style),
    ...(problem === undefined ? [] : [`This node has no more blocks: ${printable(problem)}`]),
  ];
  return `${parts.join('\n')}\n`;
}

/** `ipam check`. @throws CliError when anything differs */
export async function checkIpam(context: Context): Promise<void> {
  const reply = await context.client.get<IpamCheckReply>('/v1/ipam/check');
  await print(context, reply, formatIpamCheck);
  if (!reply.isClean) {
    throw new CliError(ExitCode.Refused, 'refused', `${plural(reply.problems.length, 'difference')} found`);
  }
}

/** What was compared, and each difference. */
export function formatIpamCheck({ isClean, checked, problems }: IpamCheckReply): string {
  const { blocks, pods, interfaces } = checked;
  const compared = `Compared ${plural(blocks, 'block')}, ${plural(pods, 'pod')}, ${plural(interfaces, 'interface')}`;
  const lines = problems.map((problem) => `  ${printable(problem)}`);
  return `${[`${compared}: ${isClean ? 'no difference.' : 'they differ.'}`, ...lines].join('\n')}\n`;
}
