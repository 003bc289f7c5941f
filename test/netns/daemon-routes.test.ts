import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ip, type PathAttributes, prefix } from 'bgp-ts';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Lab, type LabHost } from '../../deploy/lab/lab.ts';
import { type Podroute, projectRoot, startPodroute } from '../../deploy/lab/podroute.ts';
import type { PeersReply, ReloadReply } from '../../lib/api.ts';
import type { FibCheckReply, FibRoute } from '../../lib/api-fib.ts';
import { TestPeer, type TestPeerOptions } from '../support/test-peer.ts';
import { waitFor } from '../support/wait-for.ts';
import {
  ask,
  bgpctl,
  calico,
  expectNoBugs,
  isRoot,
  kernelRoute,
  kernelRoutes,
  peerOf,
  prefixesOf,
  resource,
  routesOf,
  waitForNoRoute,
  waitForRoute,
  yaml,
} from './lab-daemon.ts';

/**
 * One daemon (AS 64512, 10.2.0.1 and fd00:2::1) and peers that are nothing but what a test has them say, in another namespace on
 * the same link: peer N has AS 65000 + N and the addresses 10.2.0.N and fd00:2::N.
 */
const FIRST = 13;
const SECOND = 14;
const OPEN = 19;
const CALICO = 12;
const WARNED = 15;
const RESTARTED = 16;
const SHUT = 17;
const OWN = 18;

const accept = { import: 'accept', export: 'own' };

function peer(name: string, n: number, spec: object = {}): object {
  const common = { peerIP: `10.2.0.${n}`, asNumber: 65000 + n, passive: true, policy: accept };
  return resource('BGPPeer', name, { ...common, ...spec });
}

/** @param isOpen false: nobody is accepted by prefix */
function configuration(isOpen = true): string {
  const dynamic = { peerPrefixes: ['10.2.1.0/24'], peerLimit: 2, asNumber: 65200, policy: accept };
  return yaml(
    resource('Node', 'node', {
      asNumber: 64512,
      ipv4Address: '10.2.0.1/16',
      ipv6Address: 'fd00:2::1/64',
      networks: ['192.0.2.0/24', '198.51.100.0/24', '2001:db8:1::/48'],
    }),
    peer('first', FIRST),
    peer('second', SECOND),
    peer('open', OPEN, { policy: { import: 'accept', export: 'accept' } }),
    peer('own', OWN),
    peer('warned', WARNED, { maxPrefixes: { count: 3, action: 'warn' } }),
    peer('restarted', RESTARTED, { maxPrefixes: { count: 3, action: 'restart', restartTime: '1s' } }),
    peer('shut', SHUT, { maxPrefixes: { count: 3, action: 'shutdown' } }),
    calico('BGPPeer', 'calico', { peerIP: `10.2.0.${CALICO}`, asNumber: 65000 + CALICO, filters: ['rack'] }),
    calico('BGPPeer', 'calico-ipv6', { peerIP: `fd00:2::${CALICO}`, asNumber: 65000 + CALICO, filters: ['rack'] }),
    calico('BGPFilter', 'rack', {
      importV4: [
        { action: 'Reject', matchOperator: 'In', cidr: '10.50.0.0/16' },
        { action: 'Accept', matchOperator: 'Equal', cidr: '10.50.1.0/24' },
      ],
      importV6: [{ action: 'Reject', matchOperator: 'NotIn', cidr: '2001:db8:50::/48' }],
      exportV4: [
        { action: 'Reject', matchOperator: 'Equal', cidr: '192.0.2.0/24' },
        { action: 'Accept', source: 'RemotePeers', matchOperator: 'In', cidr: '10.60.0.0/16' },
      ],
    }),
    ...(isOpen ? [resource('BGPPeer', 'dynamic', dynamic)] : []),
  );
}

describe.skipIf(!isRoot)('routes of one daemon', () => {
  let lab: Lab;
  let host: LabHost;
  let net: LabHost;
  let node: Podroute;
  let peers: TestPeer[] = [];

  beforeAll(async () => {
    lab = new Lab('drt');
    host = lab.host('node');
    net = lab.host('net');
    const numbers = [FIRST, SECOND, OPEN, CALICO, WARNED, RESTARTED, SHUT, OWN];
    const addresses = [...numbers, 20].flatMap((n) => [`10.2.0.${n}/16`, `fd00:2::${n}/64`]);
    const dynamic = [11, 12, 13].map((n) => `10.2.1.${n}/16`);
    lab.link(host, 'eth0', ['10.2.0.1/16', 'fd00:2::1/64'], net, 'eth0', [...addresses, ...dynamic]);
    node = startPodroute(host, configuration());
    await waitFor('the daemon', async () => (await bgpctl(node, 'health')).status === 0, 20_000);
  });

  afterAll(async () => {
    for (const one of peers) one.close();
    await lab.close();
  });

  /** Every test starts with peers that are down and a kernel without their routes. */
  afterEach(async () => {
    for (const one of peers) one.close();
    peers = [];
    await waitFor('an empty kernel', () => kernelRoutes(host, 4).length === 0 && kernelRoutes(host, 6).length === 0);
    expectNoBugs(node);
  });

  function optionsOf(address: string, asn: number, remoteAddress = '10.2.0.1'): TestPeerOptions {
    return {
      netnsPath: net.namespacePath,
      localAddress: ip(address),
      remoteAddress: ip(remoteAddress),
      asn,
      routerId: ip(address.includes(':') ? '10.2.0.99' : address),
      kind: 'ebgp',
    };
  }

  async function connect(address: string, asn: number, remoteAddress?: string): Promise<TestPeer> {
    const one = await TestPeer.connect(optionsOf(address, asn, remoteAddress));
    peers.push(one);
    return one;
  }

  /** Somebody tries for a while and gets nowhere. */
  async function expectRefused(address: string, asn: number): Promise<void> {
    await expect(TestPeer.connect(optionsOf(address, asn), 300)).rejects.toThrow('waited 300 ms');
  }

  /** Peer N of the configuration, with its session up. */
  function up(n: number): Promise<TestPeer> {
    return connect(`10.2.0.${n}`, 65000 + n);
  }

  function path(n: number, nextHop = `10.2.0.${n}`, more: PathAttributes = {}): PathAttributes {
    return { origin: 0, asPath: [{ type: 'sequence', asns: [65000 + n] }], nextHop: ip(nextHop), ...more };
  }

  const list = (...texts: string[]) => texts.map((text) => prefix(text));

  /** What a peer was told, once it was told all there is. */
  async function told(one: TestPeer): Promise<string[]> {
    await waitFor('End-of-RIB', () => one.endOfRib.size === 2);
    return [...one.routes.keys()].sort();
  }

  describe('policy', () => {
    test("only the node's own routes are told, unless the policy says otherwise", async () => {
      const first = await up(FIRST);
      first.announce(list('10.60.1.0/24'), path(FIRST));
      first.announce(list('2001:db8:60::/48'), path(FIRST, 'fd00:2::13'));
      await waitForRoute(host, '10.60.1.0/24', '10.2.0.13');
      await waitForRoute(host, '2001:db8:60::/48', 'fd00:2::13');
      const own = ['192.0.2.0/24', '198.51.100.0/24', '2001:db8:1::/48'];
      expect(await told(await up(OWN))).toEqual(own);
      const open = await up(OPEN);
      expect(await told(open)).toEqual(['10.60.1.0/24', ...own, '2001:db8:60::/48'].sort());
      expect(open.routes.get('10.60.1.0/24')).toMatchObject({
        asPath: [{ type: 'sequence', asns: [64512, 65013] }],
        nextHop: ip('10.2.0.1'),
      });
      expect(open.routes.get('2001:db8:60::/48')?.nextHop).toEqual(ip('fd00:2::1'));
      expect(first.routes.has('10.60.1.0/24')).toBe(false);
    });

    test("Calico's filters: the first rule that matches decides, the rest is imported, own routes are exported", async () => {
      const other = await up(FIRST);
      other.announce(list('10.60.1.0/24', '10.61.1.0/24'), path(FIRST));
      const rack = await up(CALICO);
      rack.announce(list('10.50.1.0/24', '10.50.0.0/16', '10.51.1.0/24'), path(CALICO));
      const rackIpv6 = await connect(`fd00:2::${CALICO}`, 65000 + CALICO, 'fd00:2::1');
      rackIpv6.announce(list('2001:db8:50:1::/64', '2001:db8:51::/48'), path(CALICO, 'fd00:2::12'));
      await waitForRoute(host, '10.51.1.0/24', '10.2.0.12');
      await waitForRoute(host, '2001:db8:50:1::/64');
      await waitForRoute(host, '10.61.1.0/24');
      const received = [
        ...(await routesOf(node, '--received', 'calico')),
        ...(await routesOf(node, '--received', 'calico-ipv6')),
      ];
      const verdicts = received.map(({ prefix, valid, policy }) => `${prefix} ${valid} ${policy?.term}`).sort();
      expect(verdicts).toEqual([
        '10.50.0.0/16 false BGPFilter rack: importV4[0]',
        '10.50.1.0/24 false BGPFilter rack: importV4[0]',
        expect.stringMatching(/^10\.51\.1\.0\/24 true /),
        expect.stringMatching(/^2001:db8:50:1::\/64 true /),
        '2001:db8:51::/48 false BGPFilter rack: importV6[0]',
      ]);
      expect(kernelRoute(host, '10.50.1.0/24')).toBeUndefined();
      expect(kernelRoute(host, '2001:db8:51::/48')).toBeUndefined();
      await waitFor('what the other peer announced', () => rack.routes.has('10.60.1.0/24'));
      await waitFor('its own route', () => rackIpv6.routes.has('2001:db8:1::/48'));
      // Calico has a session for each IP version, with routes of that version only.
      expect([...rack.routes.keys()].sort()).toEqual(['10.60.1.0/24', '198.51.100.0/24']);
      expect([...rackIpv6.routes.keys()]).toEqual(['2001:db8:1::/48']);
      expect((await peerOf(node, 'calico')).policy.import.mode).toBe('calico');
    });
  });

  describe('limits', () => {
    const five = list('10.80.1.0/24', '10.80.2.0/24', '10.80.3.0/24', '10.80.4.0/24', '10.80.5.0/24');

    test('warn: everything is used, and the log says so once', async () => {
      const one = await up(WARNED);
      one.announce(five, path(WARNED));
      await waitForRoute(host, '10.80.5.0/24');
      const lines = node.process.log().split('\n');
      expect(lines.filter((line) => /"peer":"warned".*"msg":"prefix limit"/.test(line))).toHaveLength(1);
      expect(one.isClosed).toBe(false);
    });

    test('restart: the session ends, its routes go, and after the time it may come back', async () => {
      const one = await up(RESTARTED);
      one.announce(five.slice(0, 3), path(RESTARTED));
      await waitForRoute(host, '10.80.3.0/24');
      one.announce(five.slice(3), path(RESTARTED));
      await waitFor('the end of the session', () => one.isClosed);
      expect(one.notifications).toEqual([expect.stringContaining('Maximum Number of Prefixes Reached')]);
      await waitForNoRoute(host, '10.80.3.0/24');
      expect(await peerOf(node, 'restarted')).toMatchObject({
        adminState: 'down',
        adminText: expect.stringContaining('prefixes'),
      });
      await waitFor('the peer to be let in again', async () => (await peerOf(node, 'restarted')).adminState === 'up');
      const again = await up(RESTARTED);
      again.announce(five.slice(0, 2), path(RESTARTED));
      await waitForRoute(host, '10.80.2.0/24');
    });

    test('restart: a shutdown by a person outlives it', async () => {
      const one = await up(RESTARTED);
      one.announce(five, path(RESTARTED));
      await waitFor('the end of the session', () => one.isClosed);
      await ask(node, 'shutdown', 'restarted', '--message', 'stays down');
      // Longer than the restart time, during which another peer's session comes up and goes.
      const until = Date.now() + 1500;
      await waitFor('the restart time', () => Date.now() > until);
      expect(await peerOf(node, 'restarted')).toMatchObject({ adminState: 'down', adminText: 'stays down' });
      await ask(node, 'enable', 'restarted');
    });

    test('shutdown: it stays down until somebody enables it', async () => {
      const one = await up(SHUT);
      one.announce(five, path(SHUT));
      await waitFor('the end of the session', () => one.isClosed);
      await expectRefused(`10.2.0.${SHUT}`, 65000 + SHUT);
      expect(await peerOf(node, 'shut')).toMatchObject({ state: 'Idle', adminState: 'down' });
      await ask(node, 'enable', 'shut');
      const again = await up(SHUT);
      again.announce(five.slice(0, 1), path(SHUT));
      await waitForRoute(host, '10.80.1.0/24');
    });
  });

  describe('next hops', () => {
    test('the same prefix from two peers is one kernel route with two ways; with one of them gone, one', async () => {
      const [first, second] = [await up(FIRST), await up(SECOND)];
      for (const [n, one] of [
        [FIRST, first],
        [SECOND, second],
      ] as const) {
        one.announce(list('10.70.0.0/24'), path(n));
        one.announce(list('2001:db8:70::/48'), path(n, `fd00:2::${n}`));
      }
      const gateways = (dst: string) =>
        kernelRoutes(host, dst.includes(':') ? 6 : 4, `exact ${dst}`)
          .flatMap((route) => route.nexthops ?? [route])
          .map(({ gateway }) => gateway)
          .sort();
      const waitForWays = (dst: string, wanted: readonly string[]) =>
        waitFor(`ways to ${dst}`, async () => {
          if (gateways(dst).join() === wanted.join()) return true;
          const paths = await routesOf(node, dst);
          const fib = await ask(node, 'show', 'fib', dst);
          throw new Error(
            JSON.stringify({ kernel: kernelRoutes(host, dst.includes(':') ? 6 : 4, 'table main'), paths, fib }),
          );
        });
      await waitForWays('10.70.0.0/24', ['10.2.0.13', '10.2.0.14']);
      await waitForWays('2001:db8:70::/48', ['fd00:2::13', 'fd00:2::14']);
      const paths = await routesOf(node, '10.70.0.0/24');
      expect(paths.map(({ best, multipath }) => `${best} ${multipath}`).sort()).toEqual(['false true', 'true false']);

      first.withdraw(list('10.70.0.0/24'));
      await waitForRoute(host, '10.70.0.0/24', '10.2.0.14');
      second.close();
      await waitForNoRoute(host, '10.70.0.0/24');
      await waitForRoute(host, '2001:db8:70::/48', 'fd00:2::13');
    });

    test('a next hop that cannot be reached keeps a route out of the kernel until it can', async () => {
      const first = await up(FIRST);
      first.announce(list('10.71.0.0/24'), path(FIRST, '10.99.0.1'));
      first.announce(list('10.71.1.0/24'), path(FIRST));
      await waitForRoute(host, '10.71.1.0/24');
      expect(kernelRoute(host, '10.71.0.0/24')).toBeUndefined();
      expect(await routesOf(node, '10.71.0.0/24')).toMatchObject([{ valid: false, reason: 'next hop unreachable' }]);
      host.ip('route add 10.99.0.0/24 via 10.2.0.14');
      await waitForRoute(host, '10.71.0.0/24', '10.2.0.14');
      expect(await routesOf(node, '10.71.0.0/24')).toMatchObject([{ valid: true, best: true }]);
      host.ip('route change 10.99.0.0/24 via 10.2.0.13');
      await waitForRoute(host, '10.71.0.0/24', '10.2.0.13');
      host.ip('route del 10.99.0.0/24');
      await waitForNoRoute(host, '10.71.0.0/24');
    });

    test('a link without carrier takes its routes along and brings them back, the session stays', async () => {
      const first = await up(FIRST);
      first.announce(list('10.71.1.0/24'), path(FIRST));
      first.announce(list('2001:db8:71::/48'), path(FIRST, 'fd00:2::13'));
      await waitForRoute(host, '10.71.1.0/24');
      await waitForRoute(host, '2001:db8:71::/48');
      host.ip('addr add 10.71.1.1/32 dev lo');
      net.ip('link set eth0 down');
      try {
        await waitForNoRoute(host, '10.71.1.0/24');
        await waitForNoRoute(host, '2001:db8:71::/48');
      } finally {
        net.ip('link set eth0 up');
        for (const n of [FIRST, SECOND, OPEN, CALICO, OWN]) net.ip(`addr replace fd00:2::${n}/64 dev eth0 nodad`);
        host.ip('addr del 10.71.1.1/32 dev lo');
      }
      await waitForRoute(host, '10.71.1.0/24', '10.2.0.13');
      await waitForRoute(host, '2001:db8:71::/48', 'fd00:2::13');
      expect(first.isClosed).toBe(false);
    });
  });

  describe('the kernel', () => {
    test('a route of somebody else for the same prefix is left alone, and ours goes in when it is gone', async () => {
      host.ip('route add 10.72.0.0/24 via 10.2.0.14 metric 1024 proto static');
      host.ip('-6 route add 2001:db8:72::/48 via fd00:2::14 metric 1024 proto static');
      const first = await up(FIRST);
      first.announce(list('10.72.0.0/24', '10.72.1.0/24'), path(FIRST));
      first.announce(list('2001:db8:72::/48'), path(FIRST, 'fd00:2::13'));
      await waitForRoute(host, '10.72.1.0/24');
      const stateOf = async (dst: string) => {
        const { routes } = await ask<{ routes: FibRoute[] }>(node, 'show', 'fib', dst);
        return routes[0]?.state;
      };
      await waitFor('the conflict', async () => (await stateOf('10.72.0.0/24')) === 'conflict');
      await waitFor('the conflict', async () => (await stateOf('2001:db8:72::/48')) === 'conflict');
      for (const dst of ['10.72.0.0/24', '2001:db8:72::/48']) {
        const all = kernelRoutes(host, dst.includes(':') ? 6 : 4, `exact ${dst}`);
        expect(all).toEqual([expect.objectContaining({ protocol: 'static', metric: 1024 })]);
      }
      const check = await bgpctl(node, 'fib', 'check', '--json');
      expect(check.status).toBe(1);
      const { differences } = JSON.parse(check.stdout) as FibCheckReply;
      expect(differences.map(({ prefix }) => prefix).sort()).toEqual(['10.72.0.0/24', '2001:db8:72::/48']);
      host.ip('route del 10.72.0.0/24 proto static');
      host.ip('-6 route del 2001:db8:72::/48 proto static');
      await waitForRoute(host, '10.72.0.0/24', '10.2.0.13');
      await waitForRoute(host, '2001:db8:72::/48', 'fd00:2::13');
      expect((await bgpctl(node, 'fib', 'check')).status).toBe(0);
    });

    test('what is deleted while the daemon stands still is put back when it goes on', async () => {
      const first = await up(FIRST);
      first.announce(list('10.73.0.0/24', '10.73.1.0/24', '10.73.2.0/24'), path(FIRST));
      await waitForRoute(host, '10.73.2.0/24');
      const equal = await ask<FibCheckReply>(node, 'fib', 'check');
      expect(equal).toEqual({ checked: 3, differences: [] });
      process.kill(node.process.pid, 'SIGSTOP');
      try {
        host.ip('route del 10.73.0.0/24');
        host.ip('route del 10.73.1.0/24');
        host.ip('route add 10.73.1.0/24 via 10.2.0.14 metric 1024 proto static');
        host.ip('route replace 10.73.2.0/24 via 10.2.0.14 metric 1024 proto 177');
        host.ip('route add 10.73.3.0/24 via 10.2.0.14 metric 1024 proto 177');
      } finally {
        process.kill(node.process.pid, 'SIGCONT');
      }
      await waitForRoute(host, '10.73.0.0/24', '10.2.0.13');
      await waitForRoute(host, '10.73.2.0/24', '10.2.0.13');
      const check = await bgpctl(node, 'fib', 'check', '--json');
      expect(check.status).toBe(1);
      const { differences } = JSON.parse(check.stdout) as FibCheckReply;
      expect(differences.map(({ prefix, problem }) => `${prefix} ${problem}`)).toContain('10.73.1.0/24 missing');
      expect(kernelRoutes(host, 4, 'exact 10.73.1.0/24')).toEqual([expect.objectContaining({ protocol: 'static' })]);
      host.ip('route del 10.73.1.0/24 proto static');
      await waitForRoute(host, '10.73.1.0/24', '10.2.0.13');
      host.try(['ip', 'route', 'del', '10.73.3.0/24', 'proto', '177']);
      expect((await bgpctl(node, 'fib', 'check')).status).toBe(0);
    });
  });

  test('another daemon that cannot start beside this one leaves its routes alone, whatever it is to do when it stops', async () => {
    const first = await up(FIRST);
    first.announce(list('10.75.0.0/24'), path(FIRST));
    await waitForRoute(host, '10.75.0.0/24');
    const speaker = resource('Speaker', 'default', { fib: { keepRoutes: false } });
    const configPath = host.write('second.yaml', `${configuration()}---\n${yaml(speaker)}`);
    const directories = ['--run-dir', join(host.directory, 'run2'), '--state-dir', join(host.directory, 'state2')];
    const [command = '', ...words] = host.enter(['ip', 'monitor', 'route']);
    const monitor = spawn(command, words, { stdio: ['ignore', 'pipe', 'ignore'] });
    let seen = '';
    monitor.stdout.on('data', (chunk) => {
      seen += chunk;
    });
    try {
      const main = join(projectRoot, 'speaker/main.ts');
      const second = host.try([process.execPath, main, '--config', configPath, '--node', 'node', ...directories]);
      expect(second.status).toBe(1);
      expect(second.stderr).toContain('address already in use');
      host.ip('route add 198.18.1.0/24 via 10.2.0.14 proto static');
      await waitFor('the monitor', () => seen.includes('198.18.1.0/24'));
      expect(seen.split('\n').filter((line) => line.includes('10.75.0.0/24'))).toEqual([]);
    } finally {
      monitor.kill('SIGKILL');
      host.try(['ip', 'route', 'del', '198.18.1.0/24', 'proto', 'static']);
    }
  });

  describe('peers by prefix', () => {
    test('whoever connects from there is a peer, up to the limit', async () => {
      const one = await connect('10.2.1.11', 65200);
      const two = await connect('10.2.1.12', 65200);
      one.announce(list('10.74.1.0/24'), path(200, '10.2.1.11'));
      two.announce(list('10.74.2.0/24'), path(200, '10.2.1.12'));
      await waitForRoute(host, '10.74.1.0/24', '10.2.1.11');
      await waitForRoute(host, '10.74.2.0/24', '10.2.1.12');
      await expectRefused('10.2.1.13', 65200);
      const { peers: known } = await ask<PeersReply>(node, 'show', 'peers');
      const dynamic = known.filter(({ name }) => name.startsWith('dynamic/'));
      expect(dynamic.map(({ name, state }) => `${name} ${state}`)).toEqual([
        'dynamic/10.2.1.11 Established',
        'dynamic/10.2.1.12 Established',
      ]);
      expect(await prefixesOf(node, '--advertised', 'dynamic/10.2.1.11')).toContain('192.0.2.0/24');
      expect((await peerOf(node, '10.2.1.12')).policy.import.mode).toBe('configured');
      expect(node.process.log()).toMatch(/limit of 2 peers is reached/);
    });

    test('a stranger is refused, and so is a peer with the AS number of another', async () => {
      await expectRefused('10.2.0.20', 65200);
      await expectRefused(`10.2.0.${OWN}`, 65200);
      expect((await peerOf(node, 'own')).lastError).toContain('Bad Peer AS: AS 65200: 65018 is configured');
      expect(node.process.log()).toMatch(/"address":"10\.2\.0\.20","reason":"no such peer is configured"/);
    });

    test('a rule that goes takes its peers along, with Peer De-configured', async () => {
      const one = await connect('10.2.1.11', 65200);
      one.announce(list('10.74.1.0/24'), path(200, '10.2.1.11'));
      await waitForRoute(host, '10.74.1.0/24');
      writeFileSync(node.configPath, configuration(false));
      const reply = await ask<ReloadReply>(node, 'reload');
      expect(reply.changes).toMatchObject([{ action: 'remove', kind: 'dynamic-peer', name: 'dynamic' }]);
      await waitFor('the end of the session', () => one.isClosed);
      expect(one.notifications).toEqual([expect.stringContaining('Peer De-configured')]);
      await waitForNoRoute(host, '10.74.1.0/24');
      await expectRefused('10.2.1.11', 65200);
      writeFileSync(node.configPath, configuration());
      await ask<ReloadReply>(node, 'reload');
      await connect('10.2.1.11', 65200);
    });
  });
});
