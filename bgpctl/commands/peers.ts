import type { PeerDetail, PeerSummary, PeersReply, PolicyMode } from '../../lib/api.ts';
import { type Context, peerPath, print } from '../context.ts';
import {
  type Colour,
  type Column,
  formatDuration,
  formatFields,
  formatTable,
  paint,
  plural,
  printable,
  type TableStyle,
} from '../format.ts';

/** `show peers [PEER]`. */
export async function showPeers(context: Context, peer: string | undefined): Promise<void> {
  if (peer === undefined) await print(context, await context.client.get<PeersReply>('/v1/peers'), formatPeers);
  else await print(context, await context.client.get<PeerDetail>(peerPath(peer)), formatPeer);
}

const familyTitles = { 'ipv4-unicast': 'IPv4', 'ipv6-unicast': 'IPv6' } as const;

/** The list of peers. Prefix counts are received/accepted/advertised. */
export function formatPeers(reply: PeersReply, style: TableStyle = {}): string {
  const heading = `Local AS ${reply.localAs}, router id ${reply.routerId}\n`;
  if (reply.peers.length === 0) return `${heading}No peers are configured.\n`;
  const columns: Column<PeerSummary>[] = [
    { title: 'Peer', value: (peer) => peer.name, shrinkTo: 12 },
    { title: 'Address', value: (peer) => peer.address },
    { title: 'AS', align: 'right', value: (peer) => (peer.remoteAs === undefined ? '-' : String(peer.remoteAs)) },
    { title: 'Kind', value: kindOf },
    { title: 'State', value: stateOf, colour: stateColour },
    { title: 'Since', align: 'right', value: (peer) => formatDuration(peer.stateSeconds) },
  ];
  for (const family of ['ipv4-unicast', 'ipv6-unicast'] as const) {
    columns.push({
      title: `${familyTitles[family]} rcv/acc/adv`,
      align: 'right',
      optional: true,
      value(peer) {
        const counts = peer.families.find((entry) => entry.family === family);
        if (counts === undefined) return '';
        return counts.inForce ? `${counts.received}/${counts.accepted}/${counts.advertised}` : '-';
      },
    });
  }
  columns.push({
    title: 'Last error',
    value: (peer) => (peer.state === 'Established' ? '' : (peer.lastError ?? '')),
    colour: () => 'bad',
    optional: true,
    shrinkTo: 20,
  });
  const up = reply.peers.filter((peer) => peer.state === 'Established').length;
  return `${heading}\n${formatTable(columns, reply.peers, style)}\n${plural(reply.peers.length, 'peer')}, ${up} established\n`;
}

function kindOf(peer: PeerSummary): string {
  if (peer.kind === 'ebgp') return 'eBGP';
  return peer.routeReflectorClient ? 'iBGP client' : 'iBGP';
}

function stateOf(peer: PeerSummary): string {
  return peer.adminState === 'down' ? `${peer.state} (shut down)` : peer.state;
}

function stateColour(peer: PeerSummary): Colour {
  if (peer.state === 'Established') return 'good';
  return peer.adminState === 'down' ? 'warn' : 'bad';
}

/** Everything about one peer. */
export function formatPeer(peer: PeerDetail, style: TableStyle = {}): string {
  const hasColours = style.hasColours === true;
  const title = paint(`Peer ${printable(peer.name)}`, 'strong', hasColours);
  const state = paint(stateOf(peer), stateColour(peer), hasColours);
  const sections = [
    `${title}${peer.description === undefined ? '' : `: ${printable(peer.description)}`}\n${formatFields([
      [
        'Address',
        `${peer.address}, AS ${peer.remoteAs ?? 'not known yet'} (${kindOf(peer)}), local AS ${peer.localAs}`,
      ],
      ['State', `${state} for ${formatDuration(peer.stateSeconds)}`],
      ['Shut down with', peer.adminText === undefined ? undefined : `"${printable(peer.adminText)}"`],
      [
        'Router id',
        `local ${peer.localRouterId}${peer.remoteRouterId === undefined ? '' : `, remote ${peer.remoteRouterId}`}`,
      ],
      ['Connection', connectionOf(peer)],
      ['Timers', timersOf(peer)],
      ['Options', optionsOf(peer)],
      ['Import policy', policyOf(peer.policy.import)],
      ['Export policy', policyOf(peer.policy.export)],
      ['Last error', peer.lastError === undefined ? undefined : paint(printable(peer.lastError), 'bad', hasColours)],
      ['Last reset', peer.lastReset && `${peer.lastReset.at}, ${peer.lastReset.by}: ${printable(peer.lastReset.text)}`],
    ])}`,
    formatFamilies(peer, style),
    formatCapabilities(peer, style),
    formatCounters(peer, style),
  ];
  return sections.filter((section) => section !== '').join('\n');
}

function connectionOf(peer: PeerDetail): string | undefined {
  if (peer.localAddress === undefined) return undefined;
  const end = (address: string, port: number | undefined): string => {
    if (port === undefined) return address;
    return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  };
  return `${end(peer.localAddress, peer.localPort)} - ${end(peer.address, peer.remotePort)}`;
}

function timersOf(peer: PeerDetail): string {
  const { timers } = peer;
  const hold =
    timers.holdSeconds === undefined
      ? `hold ${timers.holdConfiguredSeconds} s configured`
      : `hold ${timers.holdSeconds} s (${timers.holdConfiguredSeconds} s configured${
          timers.holdRemainingSeconds === undefined ? '' : `, ${Math.round(timers.holdRemainingSeconds)} s left`
        })`;
  const words = [
    hold,
    timers.keepaliveSeconds === undefined ? '' : `keepalive ${timers.keepaliveSeconds} s`,
    `connect retry ${timers.connectRetrySeconds} s`,
    timers.idleHoldRemainingSeconds === undefined
      ? ''
      : `next attempt in ${Math.ceil(timers.idleHoldRemainingSeconds)} s`,
  ];
  return words.filter((word) => word !== '').join(', ');
}

function optionsOf(peer: PeerDetail): string {
  const { options } = peer;
  const words = [
    options.passive ? 'passive' : 'active',
    `next hop ${options.nextHop}`,
    peer.routeReflectorClient ? 'route-reflector client' : '',
    ...(options.attributes ?? []).map(printable),
    options.disabledFamilies === undefined ? '' : `out of use: ${options.disabledFamilies.join(', ')} (RFC 7606)`,
    options.authentication === 'tcp-md5' ? 'TCP MD5' : '',
    ...(options.session ?? []).map(printable),
    options.ttlSecurityHops === undefined ? '' : `TTL security ${plural(options.ttlSecurityHops, 'hop')}`,
    options.multihopTtl === undefined ? '' : `multihop TTL ${options.multihopTtl}`,
    options.maxPrefix === undefined ? '' : `max-prefix ${options.maxPrefix}`,
    options.device === undefined ? '' : `device ${options.device}`,
  ];
  return words.filter((word) => word !== '').join(', ');
}

const modeWords: Readonly<Record<PolicyMode['mode'], string>> = {
  configured: '',
  calico: 'accept (Calico semantics, no filter)',
  rfc8212: 'reject everything: an eBGP session without policy (RFC 8212)',
  ibgp: 'accept (iBGP without policy)',
};

function policyOf(policy: PolicyMode): string {
  const words = [policy.names.map(printable).join(', '), modeWords[policy.mode]]
    .filter((word) => word !== '')
    .join(': ');
  return policy.reason === undefined ? words : `${words}\n${printable(policy.reason)}`;
}

function formatFamilies(peer: PeerDetail, style: TableStyle): string {
  if (peer.families.length === 0) return '';
  type Row = PeerDetail['families'][number];
  const columns: Column<Row>[] = [
    { title: 'Family', value: (row) => row.family },
    { title: 'In force', value: (row) => (row.inForce ? 'yes' : 'no') },
    { title: 'Received', align: 'right', value: (row) => String(row.received) },
    { title: 'Accepted', align: 'right', value: (row) => String(row.accepted) },
    { title: 'Advertised', align: 'right', value: (row) => String(row.advertised) },
    {
      title: 'End-of-RIB',
      optional: true,
      value: (row) => (row.endOfRibReceived === undefined ? '' : row.endOfRibReceived ? 'received' : 'awaited'),
    },
  ];
  return formatTable(columns, peer.families, { ...style, indent: 2 });
}

/** Code of the capability that is sent once per family (RFC 4760 §8). */
const MULTIPROTOCOL = 1;

function formatCapabilities(peer: PeerDetail, style: TableStyle): string {
  const { sent, received, inForce } = peer.capabilities;
  interface Row {
    readonly name: string;
    readonly sent?: string;
    readonly received?: string;
  }
  // A capability that a side has several times, one per family, has a row per value; others have a row with both sides' values.
  const isRepeated = (code: number): boolean =>
    code === MULTIPROTOCOL || [sent, received].some((side) => side.filter((one) => one.code === code).length > 1);
  const rows = new Map<string, Row>();
  for (const side of ['sent', 'received'] as const) {
    for (const { code, name: known, detail } of side === 'sent' ? sent : received) {
      const bare = known === 'unknown' ? `unknown (code ${code})` : known;
      const name = isRepeated(code) && detail !== undefined ? `${bare} ${detail}` : bare;
      rows.set(name, { ...(rows.get(name) ?? { name }), [side]: isRepeated(code) ? 'yes' : (detail ?? 'yes') });
    }
  }
  if (rows.size === 0) return '';
  const columns: Column<Row>[] = [
    { title: 'Capability', value: (row) => row.name, shrinkTo: 24 },
    { title: 'Sent', value: (row) => row.sent ?? '-', shrinkTo: 12 },
    { title: 'Received', value: (row) => row.received ?? '-', shrinkTo: 12 },
  ];
  const table = formatTable(columns, [...rows.values()], { ...style, indent: 2 });
  if (inForce === undefined) return table;
  const words = [
    inForce.families.join(', '),
    inForce.fourOctetAs ? '4-octet AS numbers' : '2-octet AS numbers',
    inForce.enhancedRefresh ? 'enhanced route refresh' : inForce.routeRefresh ? 'route refresh' : '',
    inForce.addPathReceive.length === 0 ? '' : `ADD-PATH receive (${inForce.addPathReceive.join(', ')})`,
    inForce.addPathSend.length === 0 ? '' : `ADD-PATH send (${inForce.addPathSend.join(', ')})`,
    inForce.extendedNextHop === undefined ? '' : `IPv6 next hops (${inForce.extendedNextHop.join(', ')})`,
    inForce.role === undefined ? '' : `role ${inForce.role}`,
    `messages up to ${inForce.maxOctets} octets`,
  ];
  return `${table}${formatFields([['In force', words.filter((word) => word !== '').join(', ')]])}`;
}

function formatCounters(peer: PeerDetail, style: TableStyle): string {
  const { counters } = peer;
  const rows = [
    { name: 'OPEN', ...counters.open },
    { name: 'UPDATE', ...counters.update },
    { name: 'NOTIFICATION', ...counters.notification },
    { name: 'KEEPALIVE', ...counters.keepalive },
    { name: 'ROUTE-REFRESH', ...counters.routeRefresh },
    { name: 'octets', sent: counters.octetsSent, received: counters.octetsReceived },
  ];
  const columns: Column<(typeof rows)[number]>[] = [
    { title: 'Messages', value: (row) => row.name },
    { title: 'Sent', align: 'right', value: (row) => String(row.sent) },
    { title: 'Received', align: 'right', value: (row) => String(row.received) },
  ];
  const sessions = `${plural(counters.established, 'time')} established, ${counters.resets} reset`;
  return (
    formatTable(columns, rows, { ...style, indent: 2 }) +
    formatFields([
      ['Sessions', sessions],
      ['UPDATEs treated as withdraw', counters.treatedAsWithdraw ? String(counters.treatedAsWithdraw) : undefined],
      ['Attributes discarded', counters.attributesDiscarded ? String(counters.attributesDiscarded) : undefined],
    ])
  );
}
