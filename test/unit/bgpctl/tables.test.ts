import { describe, expect, test } from 'vitest';
import { formatFibCheck, formatNextHops } from '../../../bgpctl/commands/fib.ts';
import { formatPeer, formatPeers } from '../../../bgpctl/commands/peers.ts';
import { formatBlocks, formatPods } from '../../../bgpctl/commands/pods.ts';
import { formatReload } from '../../../bgpctl/commands/reload.ts';
import { formatRoutesDetail, marks } from '../../../bgpctl/commands/routes.ts';
import { formatHealth, formatStatus } from '../../../bgpctl/commands/version.ts';
import type { Route } from '../../../lib/api.ts';
import { block, fibRoute, peerDetail, peerSummary, pod, route, statusReply } from '../../support/control-surface.ts';

/** The text between the lines of a template, so that expectations can be read. */
function lines(...text: string[]): string {
  return `${text.join('\n')}\n`;
}

describe('peers', () => {
  test('list', () => {
    const peers = [
      peerSummary({
        families: [
          { family: 'ipv4-unicast', inForce: true, received: 1000, accepted: 998, advertised: 2 },
          { family: 'ipv6-unicast', inForce: false, received: 0, accepted: 0, advertised: 0 },
        ],
      }),
      peerSummary({
        name: 'rr1',
        address: '2001:db8::1',
        remoteAs: 64512,
        kind: 'ibgp',
        routeReflectorClient: true,
        stateSeconds: 90_000,
      }),
      peerSummary({
        name: 'far',
        address: '10.9.9.9',
        state: 'Active',
        stateSeconds: 5,
        families: [],
        lastError: 'connect: timed out',
      }),
      peerSummary({ name: 'old', address: '10.9.9.8', state: 'Idle', adminState: 'down', families: [] }),
    ];
    expect(formatPeers({ localAs: 64512, routerId: '10.0.1.1', peers })).toBe(
      lines(
        'Local AS 64512, router id 10.0.1.1',
        '',
        'Peer  Address         AS  Kind         State                  Since  IPv4 rcv/acc/adv  IPv6 rcv/acc/adv  Last error',
        'tor   10.0.1.254   65000  eBGP         Established         01:02:03        1000/998/2                 -',
        'rr1   2001:db8::1  64512  iBGP client  Established       1d01:00:00             3/2/1',
        'far   10.9.9.9     65000  eBGP         Active              00:00:05                                      connect: timed out',
        'old   10.9.9.8     65000  eBGP         Idle (shut down)    01:02:03',
        '',
        '4 peers, 2 established',
      ),
    );
  });

  test('none', () => {
    expect(formatPeers({ localAs: 64512, routerId: '10.0.1.1', peers: [] })).toBe(
      lines('Local AS 64512, router id 10.0.1.1', 'No peers are configured.'),
    );
  });

  test('one', () => {
    expect(formatPeer(peerDetail({ description: 'rack 1', lastError: 'hold timer expired' }))).toBe(
      lines(
        'Peer tor: rack 1',
        '  Address        10.0.1.254, AS 65000 (eBGP), local AS 64512',
        '  State          Established for 01:02:03',
        '  Router id      local 10.0.1.1, remote 10.0.0.254',
        '  Connection     10.0.1.1:40312 - 10.0.1.254:179',
        '  Timers         hold 9 s (90 s configured, 7 s left), keepalive 3 s, connect retry 10 s',
        '  Options        active, next hop auto, TCP MD5, TTL security 1 hop, max-prefix 1000',
        '  Import policy  tor-in',
        '  Export policy  reject everything: an eBGP session without policy (RFC 8212)',
        '                 give peer tor an export policy',
        '  Last error     hold timer expired',
        '  Last reset     2026-01-02T03:04:05Z, remote: received Cease/Administrative Shutdown: "bye"',
        '',
        '  Family        In force  Received  Accepted  Advertised',
        '  ipv4-unicast  yes              3         2           1',
        '',
        '  Capability                  Sent      Received',
        '  multiprotocol ipv4-unicast  yes       yes',
        '  route-refresh               yes       -',
        '  four-octet-as               AS 64512  AS 65000',
        '  unknown (code 73)           -         0474',
        '  In force  ipv4-unicast, 4-octet AS numbers, messages up to 4096 octets',
        '',
        '  Messages       Sent  Received',
        '  OPEN              2         2',
        '  UPDATE            4         7',
        '  NOTIFICATION      0         1',
        '  KEEPALIVE        40        41',
        '  ROUTE-REFRESH     0         0',
        '  octets         1234      5678',
        '  Sessions  2 times established, 1 reset',
      ),
    );
  });

  test('what else is in force', () => {
    const { inForce, ...capabilities } = peerDetail().capabilities;
    if (inForce === undefined) throw new Error('no session');
    const all = { ...inForce, extendedNextHop: ['ipv4-unicast' as const], role: 'Provider' };
    expect(formatPeer(peerDetail({ capabilities: { ...capabilities, inForce: all } }))).toContain(
      'IPv6 next hops (ipv4-unicast), role Provider, messages up to 4096 octets',
    );
  });

  test('one that never came up says what is known', () => {
    const { remoteAs: _as, remoteRouterId: _id, localAddress: _local, lastReset: _reset, ...rest } = peerDetail();
    const { inForce: _inForce, ...capabilities } = rest.capabilities;
    const text = formatPeer({
      ...rest,
      address: 'fe80::1%eth0',
      state: 'Idle',
      adminState: 'down',
      adminText: 'moving\u001b[2J rack',
      capabilities: { ...capabilities, received: [] },
      timers: { holdConfiguredSeconds: 90, connectRetrySeconds: 10, idleHoldRemainingSeconds: 3.2 },
      policy: { import: { mode: 'calico', names: [] }, export: { mode: 'ibgp', names: [] } },
    });
    expect(text).toContain('  Address         fe80::1%eth0, AS not known yet (eBGP), local AS 64512\n');
    expect(text).toContain('  State           Idle (shut down) for 01:02:03\n');
    expect(text).toContain('  Shut down with  "moving\\u001b[2J rack"\n');
    expect(text).toContain('  Timers          hold 90 s configured, connect retry 10 s, next attempt in 4 s\n');
    expect(text).toContain('accept (Calico semantics, no filter)');
    expect(text).not.toContain('Connection');
    expect(text).not.toContain('In force  ipv4-unicast, 4-octet');
  });
});

describe('routes', () => {
  test.each<[string, Partial<Route>]>([
    ['*>', {}],
    ['*=', { best: false, multipath: true }],
    ['*', { best: false }],
    ['', { best: false, valid: false }],
    ['*>S', { stale: true }],
    ['  !', { best: false, valid: false, policy: { direction: 'import', verdict: 'reject', term: 'default' } }],
  ])('marks %j', (text, over) => {
    expect(marks(route(over))).toBe(text);
  });

  test('every attribute of one prefix', () => {
    const full = route({
      rule: 'AS_PATH length',
      pathId: 7,
      policy: { direction: 'import', verdict: 'accept', term: 'tor-in/10' },
      attributes: {
        origin: 'incomplete',
        asPath: '65000 64513 {1,2}',
        asPathLength: 3,
        nextHop: '2001:db8::1',
        linkLocalNextHop: 'fe80::1',
        med: 0,
        localPref: 200,
        atomicAggregate: true,
        aggregator: { asn: 64513, address: '10.0.2.1' },
        communities: ['65000:1', 'no-export'],
        largeCommunities: ['65000:1:2'],
        extendedCommunities: ['rt:65000:1'],
        originatorId: '10.0.2.1',
        clusterList: ['10.0.0.1', '10.0.0.2'],
        unknown: [{ code: 99, flags: 0xc0, value: 'cafe' }],
      },
      beforePolicy: { origin: 'incomplete', asPath: '65000 64513 {1,2}', asPathLength: 3, nextHop: '2001:db8::1' },
    });
    const lost = route({ best: false, rule: 'AS_PATH length', peer: 'rr1', peerAddress: '10.0.0.9', kind: 'ibgp' });
    const bad = route({ best: false, valid: false, reason: 'next hop 10.9.9.9 is unreachable' });
    const {
      peer: _peer,
      peerAddress: _address,
      ...rest
    } = route({ prefix: '10.64.1.0/26', source: 'pod-block', kind: 'local' });
    const own = { ...rest, attributes: { origin: 'IGP' as const, asPath: '', asPathLength: 0 } };
    expect(formatRoutesDetail([full, lost, bad, own], '10.64.0.0/16')).toBe(
      lines(
        '10.64.2.0/26, ipv4-unicast, 3 paths',
        '  *> from tor (10.0.1.254), eBGP, path id 7',
        '       State                 best, by AS_PATH length',
        '       Policy                import accepted by tor-in/10',
        '       AS path               65000 64513 {1,2} (length 3)',
        '       Origin                incomplete',
        '       Next hop              2001:db8::1',
        '       Link-local next hop   fe80::1',
        '       MED                   0',
        '       Local preference      200',
        '       Communities           65000:1 no-export',
        '       Large communities     65000:1:2',
        '       Extended communities  rt:65000:1',
        '       Atomic aggregate      yes',
        '       Aggregator            AS 64513, 10.0.2.1',
        '       Originator id         10.0.2.1',
        '       Cluster list          10.0.0.1 10.0.0.2',
        '       Unknown               type 99 flags 0xc0 value cafe',
        '       Before policy         AS path 65000 64513 {1,2} (length 3), Origin incomplete, Next hop 2001:db8::1',
        '  *  from rr1 (10.0.0.9), iBGP',
        '       State     not best, by AS_PATH length',
        '       AS path   65000 64513 (length 2)',
        '       Origin    IGP',
        '       Next hop  10.0.1.254',
        '     from tor (10.0.1.254), eBGP',
        '       State     not valid: next hop 10.9.9.9 is unreachable',
        '       AS path   65000 64513 (length 2)',
        '       Origin    IGP',
        '       Next hop  10.0.1.254',
        '',
        '10.64.1.0/26, ipv4-unicast, 1 path',
        '  *> originated here (pod-block)',
        '       State    best',
        '       AS path  empty',
        '       Origin   IGP',
      ),
    );
  });

  test('none', () => {
    expect(formatRoutesDetail([], '10.0.0.1')).toBe('No route for 10.0.0.1.\n');
  });
});

describe('kernel, pods, blocks', () => {
  test('next hops', () => {
    const both = fibRoute({
      nextHops: [
        { gateway: '10.0.1.254', device: 'eth0', weight: 2 },
        { gateway: 'fe80::1', device: 'eth1', onlink: true },
      ],
    });
    expect(formatNextHops(both)).toBe('10.0.1.254 dev eth0 weight 2, fe80::1 dev eth1 onlink');
    expect(formatNextHops(fibRoute({ kind: 'blackhole', nextHops: [] }))).toBe('blackhole');
  });

  test('fib check', () => {
    expect(formatFibCheck({ checked: 1, differences: [] })).toBe('1 route compared, no difference.\n');
    const differences = [
      {
        prefix: '10.64.2.0/26',
        family: 'ipv4-unicast',
        problem: 'different',
        wanted: 'via 10.0.1.254',
        found: 'via 10.0.1.253',
      },
      { prefix: '10.64.3.0/26', family: 'ipv4-unicast', problem: 'extra', found: 'blackhole' },
    ] as const;
    expect(formatFibCheck({ checked: 9, differences: [...differences] })).toBe(
      lines(
        'Prefix        Problem    Wanted          Found',
        '10.64.2.0/26  different  via 10.0.1.254  via 10.0.1.253',
        '10.64.3.0/26  extra      -               blackhole',
        '',
        '9 routes compared, 2 differences',
      ),
    );
    const nextHopDifferences = [
      { id: 2969567233, problem: 'different', wanted: 'via 10.0.1.254 dev eth0', found: 'via 10.0.1.9 dev eth0' },
      { id: 2969567240, problem: 'missing', wanted: 'via 10.0.2.254 dev eth1' },
    ] as const;
    expect(formatFibCheck({ checked: 9, differences: [], nextHopDifferences: [...nextHopDifferences] })).toBe(
      lines(
        'Nexthop     Problem    Wanted                   Found',
        '2969567233  different  via 10.0.1.254 dev eth0  via 10.0.1.9 dev eth0',
        '2969567240  missing    via 10.0.2.254 dev eth1  -',
        '',
        '9 routes compared, 2 differences',
      ),
    );
  });

  test('pods', () => {
    const { name: _name, namespace: _namespace, hostInterface: _host, ...bare } = pod;
    expect(formatPods({ pods: [pod, { ...bare, addresses: ['10.64.1.3'] }] })).toBe(
      lines(
        'Pod            Container     Interface  Host side  Addresses',
        'default/web-0  0123456789ab  eth0       pod1a2b3c  10.64.1.2 fd00:64:1::2',
        '-              0123456789ab  eth0       -          10.64.1.3',
        '',
        '2 pods',
      ),
    );
  });

  test('blocks', () => {
    const wide = {
      ...block,
      prefix: 'fd00:64:1::/64',
      pool: undefined,
      size: 2 ** 64,
      free: 2 ** 64,
      advertised: false,
      discard: 'none' as const,
    };
    const { pool: _pool, ...poolless } = wide;
    expect(formatBlocks({ blocks: [block, { ...poolless, family: 'ipv6-unicast' }] })).toBe(
      lines(
        'Block           Pool  Used    Free    Size  Advertised  Discard route',
        '10.64.1.0/26    pods     3      61      64  yes         blackhole',
        'fd00:64:1::/64  -        3  > 2^53  > 2^53  no          none',
        '',
        '2 blocks',
      ),
    );
  });
});

describe('reload and health', () => {
  test('a reload prints its difference and what it does to sessions', () => {
    expect(
      formatReload({
        applied: false,
        changes: [
          { action: 'add', kind: 'peer', name: 'rr2', effect: 'none' },
          { action: 'remove', kind: 'network', name: '10.9.0.0/16', effect: 'refresh' },
          { action: 'change', kind: 'peer', name: 'tor', detail: 'holdSeconds: 90 -> 9', effect: 'reset' },
          { action: 'change', kind: 'node', name: 'node-a', detail: 'listenPort: 179 -> 1179', effect: 'restart' },
        ],
        resets: ['tor'],
        warnings: [
          { file: 'podroute.yaml', document: 2, path: 'spec.ipipMode', message: 'encapsulation is not supported' },
        ],
      }),
    ).toBe(
      lines(
        '+ peer rr2',
        '- network 10.9.0.0/16 [routes evaluated again]',
        '~ peer tor: holdSeconds: 90 -> 9 [session resets]',
        '~ node node-a: listenPort: 179 -> 1179 [applies at the next start of the daemon]',
        'warning: podroute.yaml, document 2: spec.ipipMode: encapsulation is not supported',
        'Would apply 4 changes; sessions that reset: tor.',
      ),
    );
    expect(formatReload({ applied: true, changes: [], resets: [], warnings: [] })).toBe(
      'Nothing changes: the running configuration is this one already.\n',
    );
  });

  test('status', () => {
    expect(formatStatus(statusReply())).toBe(
      lines(
        '  Node          node-a, up 00:01:01',
        '  Memory        131 MB, of it 8 MB JavaScript heap',
        '  Event loop    busy 2.1 % of 00:01:00',
        '  Delay         p50 0.0 ms, p99 4.3 ms, max 12.3 ms',
        '  On processor  p99 4.0 ms, max 11.0 ms',
      ),
    );
  });

  test('health', () => {
    const checks = [
      { name: 'fib', ok: true },
      { name: 'config', ok: false, detail: 'podroute.yaml: 1 problem' },
    ];
    expect(formatHealth({ ready: false, checks })).toBe(
      lines('not ready', '', 'Check   Ok   Detail', 'fib     yes', 'config  no   podroute.yaml: 1 problem'),
    );
  });
});
