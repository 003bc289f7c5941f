import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type LabHost, tryCommand } from '../../../deploy/lab/lab.ts';
import { projectRoot } from '../../../deploy/lab/podroute.ts';
import { dotted, dutAddress, dutAs, sessionAddress, sessionAs } from './load-table.ts';
import { sessionsOf, type Workload } from './workloads.ts';

/** A BGP speaker that can be measured. */
export interface Speaker {
  readonly name: string;
  /** The Debian package it comes from. */
  readonly package?: string;
  /** Why it cannot take part in a workload, if it cannot. */
  leavesOut?(workload: Workload): string | undefined;
  /** The share of prefixes and attribute sets it gets of a workload that would take it minutes, if not all. */
  shareOf?(workload: Workload): number | undefined;
  /** One line, or undefined if it is not installed. */
  version(): string | undefined;
  /**
   * Starts it in `host`, in the foreground, listening on port 179: a peer for every session of `workload`, passive, everything accepted and
   * passed on, no policy, nothing written to the kernel, hold time 240 s.
   */
  start(host: LabHost, workload: Workload): void;
}

/** Address and AS number of every session of the load process. */
function neighbours(workload: Workload): { address: string; asn: number }[] {
  return Array.from({ length: sessionsOf(workload) }, (_, i) => ({
    address: dotted(sessionAddress(i)),
    asn: sessionAs(workload, i),
  }));
}

/** First line that a shell command prints, on whichever stream. */
function firstLine(command: string): string | undefined {
  const { status, stdout } = tryCommand(['sh', '-c', `exec 2>&1; ${command}`]);
  if (status !== 0) return undefined;
  return stdout
    .split('\n')
    .find((line) => line.trim() !== '')
    ?.trim();
}

const bird: Speaker = {
  name: 'BIRD',
  package: 'bird2',
  version: () => firstLine('bird --version'),
  start(host, workload) {
    const family = workload.ipv6 ? 'ipv6' : 'ipv4';
    const reflection = workload.kind === 'reflection' ? `rr client; rr cluster id ${dutAddress};` : '';
    const config = [
      `log "${join(host.directory, 'bird.log')}" { warning, error, fatal, bug };`,
      `router id ${dutAddress};`,
      'protocol device {}',
      `protocol direct { ${family}; }`,
      'template bgp peers {',
      `  local ${dutAddress} as ${dutAs};`,
      '  passive yes; hold time 240;',
      `  ${reflection}`,
      `  ${family} { import all; export where source = RTS_BGP; };`,
      '}',
      ...neighbours(workload).map(
        ({ address, asn }, i) => `protocol bgp p${i} from peers { neighbor ${address} as ${asn}; }`,
      ),
    ];
    const path = host.write('bird.conf', `${config.join('\n')}\n`);
    const control = join(host.directory, 'bird.ctl');
    host.start('bird', ['bird', '-f', '-c', path, '-s', control, '-P', join(host.directory, 'bird.pid')]);
  },
};

/** @param lines more lines for `router bgp` */
function startFrr(host: LabHost, workload: Workload, lines: readonly string[] = []): void {
  const isReflection = workload.kind === 'reflection';
  const peers = neighbours(workload);
  const config = [
    'frr defaults traditional',
    // Without zebra beside it, bgpd writes a warning for every route, which costs half as much again as its work.
    `log file ${join(host.directory, 'frr.log')} errors`,
    `router bgp ${dutAs}`,
    ` bgp router-id ${dutAddress}`,
    ' no bgp ebgp-requires-policy',
    ' no bgp default ipv4-unicast',
    ' no bgp network import-check',
    ' timers bgp 60 240',
    ...lines,
    ' neighbor clients peer-group',
    ...peers.flatMap(({ address, asn }) => [
      ` neighbor ${address} remote-as ${asn}`,
      ...(isReflection
        ? [` neighbor ${address} peer-group clients`]
        : [` neighbor ${address} disable-connected-check`]),
      ` neighbor ${address} passive`,
    ]),
    ` address-family ${workload.ipv6 ? 'ipv6' : 'ipv4'} unicast`,
    ...peers.flatMap(({ address }) => [
      `  neighbor ${address} activate`,
      ...(isReflection ? [`  neighbor ${address} route-reflector-client`] : []),
    ]),
    ' exit-address-family',
  ];
  const dir = host.directory;
  const path = host.write('bgpd.conf', `${config.join('\n')}\n`);
  const files = ['-f', path, '-i', join(dir, 'bgpd.pid'), '--vty_socket', dir, '-z', join(dir, 'zserv.api')];
  // Alone: -Z no zebra, -n no kernel, -S stays root so that it can read the files of this run.
  host.start('bgpd', ['/usr/lib/frr/bgpd', '-S', '-Z', '-n', '-P', '0', '-p', '179', '-l', dutAddress, ...files]);
}

const frrVersion = (): string | undefined => firstLine('/usr/lib/frr/bgpd --version');

const frr: Speaker = {
  name: 'FRR',
  package: 'frr',
  version: frrVersion,
  start: (host, workload) => startFrr(host, workload),
};

/** A new update group of FRR waits a second, and 50 ms for each peer, before it says anything; this is FRR without that wait. */
const frrAtOnce: Speaker = {
  name: 'FRR-at-once',
  package: 'frr',
  version: frrVersion,
  start: (host, workload) => startFrr(host, workload, [' coalesce-time 0']),
};

const openbgpd: Speaker = {
  name: 'OpenBGPD',
  package: 'openbgpd',
  leavesOut: ({ ipv6 }) =>
    ipv6 ? 'announces the next hop ::1 on a session over IPv4, whatever its filters set' : undefined,
  version: () => firstLine('/usr/sbin/bgpd -V'),
  start(host, workload) {
    const [wanted, other] = workload.ipv6 ? ['IPv6', 'IPv4'] : ['IPv4', 'IPv6'];
    const reflection = workload.kind === 'reflection' ? [`  route-reflector ${dutAddress}`] : [];
    const config = [
      `AS ${dutAs}`,
      `router-id ${dutAddress}`,
      `listen on ${dutAddress}`,
      'fib-update no',
      'holdtime 240',
      `socket "${join(host.directory, 'bgpd.sock')}"`,
      ...neighbours(workload).flatMap(({ address, asn }) => [
        `neighbor ${address} {`,
        `  remote-as ${asn}`,
        '  passive',
        `  announce ${other} none`,
        `  announce ${wanted} unicast`,
        ...reflection,
        '}',
      ]),
      'allow from any',
      'allow to any',
    ];
    // Its unprivileged processes change their root to this directory.
    mkdirSync('/run/openbgpd', { recursive: true, mode: 0o755 });
    const path = host.write('openbgpd.conf', `${config.join('\n')}\n`);
    chmodSync(path, 0o600);
    host.start('openbgpd', ['/usr/sbin/bgpd', '-d', '-f', path]);
  },
};

const gobgp: Speaker = {
  name: 'GoBGP',
  package: 'gobgpd',
  leavesOut: ({ name }) => (/^x-(?!100k)/.test(name) ? 'takes minutes' : undefined),
  // A million prefixes take it a minute and a half, ten senders of 100,000 three, f one.
  shareOf: ({ name }) => (name === 'a' || name === 'b' ? 0.1 : name === 'f' ? 0.2 : undefined),
  version: () => firstLine('gobgpd --version'),
  start(host, workload) {
    const family = workload.ipv6 ? 'ipv6-unicast' : 'ipv4-unicast';
    const reflection =
      workload.kind === 'reflection'
        ? [
            '  [neighbors.route-reflector.config]',
            '    route-reflector-client = true',
            `    route-reflector-cluster-id = "${dutAddress}"`,
          ]
        : [];
    const config = [
      '[global.config]',
      `  as = ${dutAs}`,
      `  router-id = "${dutAddress}"`,
      '  port = 179',
      `  local-address-list = ["${dutAddress}"]`,
      ...neighbours(workload).flatMap(({ address, asn }) => [
        '[[neighbors]]',
        '  [neighbors.config]',
        `    neighbor-address = "${address}"`,
        `    peer-as = ${asn}`,
        '  [neighbors.transport.config]',
        '    passive-mode = true',
        '  [neighbors.timers.config]',
        '    hold-time = 240',
        '    keepalive-interval = 60',
        ...reflection,
        '  [[neighbors.afi-safis]]',
        '    [neighbors.afi-safis.config]',
        `      afi-safi-name = "${family}"`,
      ]),
    ];
    const path = host.write('gobgpd.toml', `${config.join('\n')}\n`);
    const flags = ['-t', 'toml', '-f', path, '-l', 'warn', '--api-hosts', '127.0.0.1:50051', '--pprof-disable'];
    host.start('gobgpd', ['gobgpd', ...flags]);
  },
};

const podroute: Speaker = {
  name: 'podroute',
  version() {
    const commit = tryCommand(['git', '-C', projectRoot, 'rev-parse', '--short', 'HEAD']).stdout.trim();
    return `podroute ${commit}, Node ${process.version}`;
  },
  start(host, workload) {
    const isReflection = workload.kind === 'reflection';
    const ipv6 = workload.ipv6 ? ', ipv6Address: "fd00::a00:1/64"' : '';
    const cluster = isReflection ? `, routeReflectorClusterID: ${dutAddress}` : '';
    const family = workload.ipv6 ? 'ipv6' : 'ipv4';
    const document = (kind: string, name: string, spec: string): string =>
      `apiVersion: podroute.io/v1\nkind: ${kind}\nmetadata: { name: ${name} }\nspec: { ${spec} }\n`;
    const documents = [
      document('Node', 'dut', `asNumber: ${dutAs}, ipv4Address: ${dutAddress}/16${ipv6}${cluster}`),
      document('Speaker', 'default', 'fib: { enabled: false }, cni: { enabled: false }, log: { level: warn }'),
      document('BGPConfiguration', 'default', 'nodeToNodeMeshEnabled: false'),
      ...neighbours(workload).map(({ address, asn }, i) =>
        document(
          'BGPPeer',
          `p${i}`,
          `peerIP: ${address}, asNumber: ${asn}, passive: true, holdTime: 240s, families: [${family}], ` +
            `${isReflection ? 'routeReflectorClient: true, ' : ''}policy: { import: accept, export: accept }`,
        ),
      ),
    ];
    const path = host.write('podroute.yaml', documents.join('---\n'));
    const files = ['--run-dir', join(host.directory, 'run'), '--state-dir', join(host.directory, 'state')];
    host.start('podrouted', [join(projectRoot, 'deploy/bin/podrouted'), '--config', path, '--node', 'dut', ...files]);
  },
};

/** Every speaker that can be measured; the first is what ratios are taken of. */
export const speakers: readonly Speaker[] = [bird, frr, frrAtOnce, openbgpd, gobgp, podroute];

/** Those measured when none are named. */
export const defaultSpeakers: readonly string[] = speakers.filter((s) => s !== frrAtOnce).map((s) => s.name);
