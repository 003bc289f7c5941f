import { encodeEndOfRib, ip, type PathAttributes, prefix, type SessionContext } from 'bgp-ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lab, type LabHost } from '../../deploy/lab/lab.ts';
import { type Podroute, startPodroute } from '../../deploy/lab/podroute.ts';
import { type ExplainReply, explainReplySchema } from '../../lib/api-explain.ts';
import { TestPeer } from '../support/test-peer.ts';
import { waitFor } from '../support/wait-for.ts';
import { ask, bgpctl, expectNoBugs, isRoot, resource, waitForRoute, yaml } from './lab-daemon.ts';

const context: SessionContext = { fourOctetAs: true, addPathReceive: new Set(), addPathSend: new Set(), kind: 'ebgp' };

/** One daemon (AS 64512, 10.2.0.1) and four peers: N has AS 65000 + N and the address 10.2.0.N; the last one never comes. */
const TOR = 11;
const BACKUP = 12;
const OTHER = 13;
const AWAY = 14;

function configuration(): string {
  const peer = (name: string, n: number, spec: object): object =>
    resource('BGPPeer', name, { peerIP: `10.2.0.${n}`, asNumber: 65000 + n, passive: true, ...spec });
  return yaml(
    resource('Node', 'node', { asNumber: 64512, ipv4Address: '10.2.0.1/16', networks: ['192.0.2.0/24'] }),
    peer('tor', TOR, { policy: { import: 'accept', export: 'accept' } }),
    peer('backup', BACKUP, { policy: { import: 'accept', export: 'own' } }),
    // No policy at all: RFC 8212.
    peer('other', OTHER, {}),
    peer('away', AWAY, { policy: { import: 'accept', export: 'accept' } }),
  );
}

describe.skipIf(!isRoot)('bgpctl explain', () => {
  let lab: Lab;
  let host: LabHost;
  let net: LabHost;
  let node: Podroute;
  let tor: TestPeer;
  let backup: TestPeer;
  let other: TestPeer;

  beforeAll(async () => {
    lab = new Lab('dex');
    host = lab.host('node');
    net = lab.host('net');
    const addresses = [TOR, BACKUP, OTHER].map((n) => `10.2.0.${n}/16`);
    lab.link(host, 'eth0', ['10.2.0.1/16'], net, 'eth0', addresses);
    node = startPodroute(host, configuration());
    await waitFor('the daemon', async () => (await bgpctl(node, 'health')).status === 0, 20_000);
    [tor, backup, other] = (await Promise.all([TOR, BACKUP, OTHER].map(connect))) as [TestPeer, TestPeer, TestPeer];
    tor.announce([prefix('10.60.0.0/16')], path(TOR));
    backup.announce([prefix('10.60.0.0/16')], path(BACKUP, [65099]));
    backup.announce([prefix('10.61.0.0/16')], { ...path(BACKUP), nextHop: ip('198.51.100.7') });
    backup.announce([prefix('10.62.0.0/16')], { ...path(OTHER) });
    other.announce([prefix('10.63.0.0/16')], path(OTHER));
    await waitForRoute(host, '10.60.0.0/16', '10.2.0.11');
    await waitFor('all of it', async () => {
      const found = await Promise.all(['10.61.0.0/16', '10.63.0.0/16'].map((text) => explain(text)));
      return found.every((reply) => reply.found);
    });
  });

  afterAll(async () => {
    for (const one of [tor, backup, other]) one?.close();
    expectNoBugs(node);
    await lab.close();
  });

  function connect(n: number): Promise<TestPeer> {
    const address = ip(`10.2.0.${n}`);
    return TestPeer.connect({
      netnsPath: net.namespacePath,
      localAddress: address,
      remoteAddress: ip('10.2.0.1'),
      asn: 65000 + n,
      routerId: address,
      kind: 'ebgp',
    });
  }

  function path(n: number, behind: readonly number[] = []): PathAttributes {
    return { origin: 0, asPath: [{ type: 'sequence', asns: [65000 + n, ...behind] }], nextHop: ip(`10.2.0.${n}`) };
  }

  async function explain(...words: string[]): Promise<ExplainReply> {
    const reply = await ask<ExplainReply>(node, 'explain', ...words);
    expect(explainReplySchema.parse(reply)).toEqual(reply);
    return reply;
  }

  test('a route that is here, as printed', async () => {
    const { status, stdout } = await bgpctl(node, 'explain', '10.60.1.2');
    expect(status).toBe(0);
    expect(stdout).toBe(`10.60.0.0/16, ipv4-unicast: 2 paths, 2 usable; the best is from tor

Paths
  *> from tor (10.2.0.11), eBGP
       best, by AS_PATH length: 1 against 2 of backup (shorter is preferred)
       import policy: accepted by policy.import.default: accept
       next hop 10.2.0.11: route 10.2.0.0/16 of table 254, on the link dev eth0, cost 0
  *  from backup (10.2.0.12), eBGP
       not best, by AS_PATH length: 2 against 1 of tor (shorter is preferred)
       import policy: accepted by policy.import.default: accept
       next hop 10.2.0.12: route 10.2.0.0/16 of table 254, on the link dev eth0, cost 0

Told to
  away (eBGP): not advertised: its session is down
  backup (eBGP): not advertised: rejected by export policy, policy.export.default: own
  other (eBGP): not advertised: it is an eBGP peer without an export policy, nothing is told (RFC 8212)
  tor (eBGP): not advertised: the best path came from it (split horizon)

Kernel
  same: as wanted
  unicast via 10.2.0.11 dev eth0
`);
  });

  test('what this node originates is told, and no kernel route is written for it', async () => {
    const reply = await explain('192.0.2.0/24');
    expect(reply.candidates).toMatchObject([{ state: 'best', route: { kind: 'local' } }]);
    const told = reply.advertisements.find(({ peer }) => peer === 'backup');
    expect(told).toMatchObject({ advertised: true, paths: [{ attributes: { asPath: '64512', nextHop: '10.2.0.1' } }] });
    expect(backup.routes.has('192.0.2.0/24')).toBe(true);
    expect(reply.kernel).toMatchObject({ state: 'not-written', reason: 'local-origin' });
  });

  test.each<[string, string, object]>([
    ['10.60.0.0/16', 'tor', { state: 'best' }],
    ['10.60.0.0/16', 'backup', { state: 'not-best' }],
    [
      '10.61.0.0/16',
      'backup',
      {
        state: 'not-usable',
        reason: 'next-hop-unreachable',
        text: 'not usable: next hop 198.51.100.7 is unreachable: no route covers it',
      },
    ],
    [
      '10.62.0.0/16',
      'backup',
      {
        state: 'absent',
        reason: 'treated-as-withdraw',
        treatedAsWithdraw: { problem: "AS_PATH: the first AS must be the peer's, 65012; it is 65013 (RFC 4271 §6.3)" },
      },
    ],
    ['10.63.0.0/16', 'other', { state: 'not-usable', reason: 'rfc8212' }],
    ['10.60.0.0/16', 'away', { state: 'absent', reason: 'session-down' }],
    ['10.60.0.0/16', '10.2.0.13', { state: 'absent', reason: 'not-sent' }],
    ['10.60.7.0/24', 'tor', { state: 'absent', reason: 'not-sent', covering: '10.60.0.0/16' }],
  ])('%s from %s', async (text, peer, expected) => {
    // Without End-of-RIB the peer may still be about to send it.
    for (const one of [tor, backup, other]) one.send(encodeEndOfRib('ipv4-unicast', context));
    await waitFor('the reason', async () => {
      const { received } = await explain(text, '--peer', peer);
      expect(received).toMatchObject(expected);
      return true;
    });
  });

  test('a route that another program holds', async () => {
    const { metric } = await ask<{ metric: number }>(node, 'show', 'fib');
    host.ip(`route add 10.64.0.0/16 via 10.2.0.12 metric ${metric} proto static`);
    tor.announce([prefix('10.64.0.0/16')], path(TOR));
    await waitFor('the conflict', async () => (await explain('10.64.0.0/16')).kernel.state === 'conflict');
    expect((await explain('10.64.0.0/16')).kernel).toMatchObject({
      text: `a route of another program holds this prefix with metric ${metric}; ours goes in when that one is gone`,
      wanted: 'unicast via 10.2.0.11 dev eth0',
    });
    host.ip('route del 10.64.0.0/16 proto static');
    await waitFor('ours', async () => (await explain('10.64.0.0/16')).kernel.state === 'same');
  });

  test('a next hop that goes away and comes back', async () => {
    host.ip('route add 198.51.100.0/24 via 10.2.0.12');
    await waitForRoute(host, '10.61.0.0/16', '10.2.0.12');
    const [candidate] = (await explain('10.61.0.0/16')).candidates;
    expect(candidate).toMatchObject({
      state: 'best',
      nextHop: { result: 'reachable', text: 'route 198.51.100.0/24 of table 254, via 10.2.0.12 dev eth0' },
    });
    host.ip('route del 198.51.100.0/24');
    await waitFor('unreachable', async () => (await explain('10.61.0.0/16')).candidates[0]?.state === 'not-usable');
    expect((await explain('10.61.0.0/16')).kernel.state).toBe('none');
  });
});
