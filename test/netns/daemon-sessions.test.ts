import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lab, type LabHost, tryCommand } from '../../deploy/lab/lab.ts';
import { type Podroute, projectRoot, startPodroute } from '../../deploy/lab/podroute.ts';
import type { PeerDetail, PeersReply, ReloadReply } from '../../lib/api.ts';
import { waitFor } from '../support/wait-for.ts';
import {
  ask,
  bgpctl,
  expectNoBugs,
  isRoot,
  kernelRoutes,
  peerOf,
  prefixesOf,
  resource,
  routesOf,
  waitForNoRoute,
  waitForRoute,
  waitForTables,
  yaml,
} from './lab-daemon.ts';

/**
 * Two daemons on one link and many sessions between them, each with another option. `left` is AS 64601 and announces
 * 198.51.100.0/24 and 2001:db8:1::/48; `right` is AS 64602 and announces 203.0.113.0/24 and 2001:db8:2::/48.
 */
interface Spec {
  readonly [key: string]: unknown;
}

const LEFT_AS = 64601;
const RIGHT_AS = 64602;
const ACCEPT = { import: 'accept', export: 'own' };

/** Sessions over IPv4 subnets 10.1.N.0/24, left .1 and right .2: what each side adds to the plain peer. */
const ipv4Sessions: { readonly [name: string]: { readonly left?: Spec; readonly right?: Spec } } = {
  plain: {},
  md5: {
    left: { password: { secretKeyRef: { name: 'keys', key: 'good' } } },
    right: { password: { secretKeyRef: { name: 'keys', key: 'good' } } },
  },
  'md5-wrong': {
    left: { password: { secretKeyRef: { name: 'keys', key: 'good' } } },
    right: { password: { secretKeyRef: { name: 'keys', key: 'bad' } } },
  },
  'md5-unreadable': { left: { passwordFile: 'no-such-file' } },
  gtsm: { left: { ttlSecurity: 1 }, right: { ttlSecurity: 1 } },
  'gtsm-far': { left: { ttlSecurity: 1 }, right: { multihop: 64 } },
  closed: { left: { policy: undefined } },
  spare: {},
  dynamic: {
    left: {
      peerIP: undefined,
      peerPrefixes: ['10.1.8.0/24'],
      asNumber: 'external',
      password: { secretKeyRef: { name: 'keys', key: 'good' } },
    },
    right: { password: { secretKeyRef: { name: 'keys', key: 'good' } } },
  },
};

interface Side {
  readonly name: 'left' | 'right';
  readonly asn: number;
  readonly other: number;
  readonly own: 1 | 2;
  readonly networks: readonly string[];
}

const sides = {
  left: { name: 'left', asn: LEFT_AS, other: RIGHT_AS, own: 1, networks: ['198.51.100.0/24', '2001:db8:1::/48'] },
  right: { name: 'right', asn: RIGHT_AS, other: LEFT_AS, own: 2, networks: ['203.0.113.0/24', '2001:db8:2::/48'] },
} as const satisfies Record<string, Side>;

/** What a test changes of a side's configuration. */
interface Changes {
  readonly networks?: readonly string[];
  /** Fields laid over a peer's; `null` leaves the peer out. */
  readonly peers?: { readonly [name: string]: Spec | null };
  readonly more?: readonly object[];
}

function configuration(side: Side, changes: Changes = {}): string {
  const remote = 3 - side.own;
  const peers: [string, Spec][] = Object.entries(ipv4Sessions).map(([name, options], i) => [
    name,
    { peerIP: `10.1.${i}.${remote}`, sourceAddress: `10.1.${i}.${side.own}`, ...options[side.name] },
  ]);
  peers.push(['ipv6', { peerIP: `fd00:1::${remote}`, sourceAddress: `fd00:1::${side.own}` }]);
  // The kernel would take the address it made itself as the source, which the other side does not know.
  peers.push(['link-local', { peerIP: `fe80::${remote}%eth1`, sourceAddress: `fe80::${side.own}` }]);
  const specs = peers.flatMap(([name, spec]) => {
    const change = changes.peers?.[name];
    const common = { asNumber: side.other, connectRetryTime: '1s', policy: ACCEPT };
    return change === null ? [] : [resource('BGPPeer', name, { ...common, ...spec, ...change })];
  });
  return yaml(
    resource('Node', side.name, {
      asNumber: side.asn,
      ipv4Address: `10.1.0.${side.own}/24`,
      ipv6Address: `fd00:1::${side.own}/64`,
      networks: changes.networks ?? side.networks,
    }),
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'keys' }, stringData: { good: 'correct', bad: 'wrong' } },
    ...specs,
    ...(changes.more ?? []),
  );
}

describe.skipIf(!isRoot)('two daemons and many sessions', () => {
  let lab: Lab;
  let hosts: { left: LabHost; right: LabHost };
  let left: Podroute;
  let right: Podroute;

  beforeAll(async () => {
    lab = new Lab('dsn');
    hosts = { left: lab.host('left'), right: lab.host('right') };
    const addresses = (own: number) => [
      ...Object.keys(ipv4Sessions).map((_, i) => `10.1.${i}.${own}/24`),
      `fd00:1::${own}/64`,
    ];
    lab.link(hosts.left, 'eth0', addresses(1), hosts.right, 'eth0', addresses(2));
    lab.link(hosts.left, 'eth1', ['fe80::1/64'], hosts.right, 'eth1', ['fe80::2/64']);
    left = startPodroute(hosts.left, configuration(sides.left));
    right = startPodroute(hosts.right, configuration(sides.right));
    await waitForTables(left, 'plain', 'md5', 'gtsm', 'ipv6', 'link-local', 'closed', 'spare');
    await waitForTables(right, 'plain', 'md5', 'gtsm', 'ipv6', 'link-local', 'closed', 'spare');
  });

  afterAll(async () => {
    await lab.close();
  });

  /** Writes a configuration and has the daemon read it. */
  async function reload(daemon: Podroute, side: Side, changes: Changes = {}): Promise<ReloadReply> {
    writeFileSync(daemon.configPath, configuration(side, changes));
    return ask<ReloadReply>(daemon, 'reload');
  }

  /** How often each session of a daemon came up, by peer: unchanged means nobody was reset. */
  async function establishedCounts(daemon: Podroute): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const name of ['plain', 'md5', 'gtsm', 'ipv6', 'link-local', 'closed', 'spare']) {
      counts[name] = (await peerOf(daemon, name)).counters.established;
    }
    return counts;
  }

  async function down(daemon: Podroute, name: string, text: RegExp): Promise<PeerDetail> {
    return waitFor(`${name} down with ${text}`, async () => {
      const peer = await peerOf(daemon, name);
      if (peer.state === 'Established' || !text.test(peer.lastError ?? '')) throw new Error(JSON.stringify(peer));
      return peer;
    });
  }

  describe('transport', () => {
    test('a session over IPv6 carries both families', async () => {
      const peer = await peerOf(left, 'ipv6');
      expect(peer.capabilities.inForce?.families.toSorted()).toEqual(['ipv4-unicast', 'ipv6-unicast']);
      expect(await prefixesOf(left, '--received', 'ipv6')).toEqual(['2001:db8:2::/48', '203.0.113.0/24']);
      const received = await routesOf(left, '--received', 'ipv6');
      const nextHops = received.map(({ prefix, attributes }) => [prefix, attributes.nextHop]).sort();
      expect(nextHops).toEqual([
        ['2001:db8:2::/48', 'fd00:1::2'],
        ['203.0.113.0/24', '10.1.0.2'],
      ]);
    });

    test('a link-local peer is reached over its interface', async () => {
      const peer = await peerOf(left, 'link-local');
      expect(peer).toMatchObject({ address: 'fe80::2%eth1', localAddress: 'fe80::1', state: 'Established' });
      expect(await prefixesOf(left, '--received', 'fe80::2%eth1')).toContain('2001:db8:2::/48');
    });

    test('both families are in the kernel, and what one side announces is reachable from the other', async () => {
      for (const [host, prefixes] of [
        [hosts.left, sides.right.networks],
        [hosts.right, sides.left.networks],
      ] as const) {
        for (const prefix of prefixes) await waitForRoute(host, prefix);
        expect(kernelRoutes(host, 4).map(({ dst }) => dst)).toEqual([prefixes[0]]);
        expect(kernelRoutes(host, 6).map(({ dst }) => dst)).toEqual([prefixes[1]]);
      }
      hosts.left.ip('addr add 198.51.100.1/32 dev lo');
      hosts.right.ip('addr add 203.0.113.1/32 dev lo');
      expect(hosts.left.pings('203.0.113.1', ['-I', '198.51.100.1'])).toBe(true);
    });

    test('TCP MD5: the right key comes up, and is shown without its text', async () => {
      const peer = await peerOf(left, 'md5');
      expect(peer.options.authentication).toBe('tcp-md5');
      expect(JSON.stringify(peer)).not.toContain('correct');
      expect(left.process.log()).not.toContain('correct');
    });

    test('TCP MD5: a wrong key stays down and the cause is named', async () => {
      const seen = await down(left, 'md5-wrong', /keys seem to differ/);
      expect(seen.counters.established).toBe(0);
      await down(right, 'md5-wrong', /TCP MD5/);
    });

    test('a peer accepted by prefix, with the key of the prefix and the AS number of its OPEN', async () => {
      await waitForTables(left, 'dynamic/10.1.8.2');
      expect(await peerOf(left, 'dynamic/10.1.8.2')).toMatchObject({
        remoteAs: RIGHT_AS,
        kind: 'ebgp',
        options: { authentication: 'tcp-md5', passive: true },
      });
    });

    test('TCP MD5: a key that cannot be read keeps the peer down', async () => {
      const peer = await peerOf(left, 'md5-unreadable');
      expect(peer).toMatchObject({ state: 'Idle', adminState: 'down' });
      expect(peer.adminText).toMatch(/TCP MD5 key cannot be read: .*no-such-file/);
      expect((await peerOf(right, 'md5-unreadable')).counters.established).toBe(0);
    });

    test('TTL security: both ends at 255 come up, a peer that sends less does not', async () => {
      expect((await peerOf(left, 'gtsm')).options.ttlSecurityHops).toBe(1);
      const peer = await peerOf(left, 'gtsm-far');
      expect(peer.state).not.toBe('Established');
      expect(peer.counters.established).toBe(0);
    });

    test('eBGP without a policy passes nothing in either direction and says so', async () => {
      const peer = await peerOf(left, 'closed');
      expect(peer.state).toBe('Established');
      for (const direction of ['import', 'export'] as const) {
        expect(peer.policy[direction]).toMatchObject({ mode: 'rfc8212', names: [] });
        expect(peer.policy[direction].reason).toContain('RFC 8212');
      }
      const received = await routesOf(left, '--received', 'closed');
      expect(received.map(({ prefix }) => prefix).sort()).toEqual(['2001:db8:2::/48', '203.0.113.0/24']);
      expect(received.every(({ valid }) => !valid)).toBe(true);
      expect(received[0]?.policy).toMatchObject({ verdict: 'reject' });
      expect(await prefixesOf(left, '--advertised', 'closed')).toEqual([]);
      expect(await prefixesOf(right, '--received', 'closed')).toEqual([]);
      const text = (await bgpctl(left, 'show', 'peers', 'closed')).stdout;
      expect(text).toContain('RFC 8212');
    });
  });

  describe('reload', () => {
    test('what nobody changed changes nothing', async () => {
      const reply = await ask<ReloadReply>(left, 'reload');
      expect(reply).toMatchObject({ applied: true, changes: [], resets: [] });
    });

    test('description, network and policy: no session is touched, the other side hears the difference', async () => {
      const before = await establishedCounts(left);
      const uptime = (await peerOf(left, 'plain')).stateSeconds;
      const filter = resource('BGPFilter', 'mark', {
        exportV4: [{ action: 'Accept', source: 'Local', operations: [{ setMED: 7 }] }],
      });
      const changes = {
        networks: ['198.51.100.0/24', '192.0.2.0/24'],
        peers: {
          plain: {
            description: 'the other one',
            policy: { import: 'accept', export: { filters: ['mark'], default: 'own' } },
          },
          closed: { policy: ACCEPT },
        },
        more: [filter],
      };
      writeFileSync(left.configPath, configuration(sides.left, changes));
      const dry = await ask<ReloadReply>(left, 'reload', '--dry-run');
      expect(dry).toMatchObject({ applied: false, resets: [] });
      expect(dry.changes.map(({ kind, name }) => `${kind} ${name}`)).toEqual(
        expect.arrayContaining(['network 192.0.2.0/24', 'network 2001:db8:1::/48', 'peer plain', 'peer closed']),
      );
      expect(await prefixesOf(right, '--received', 'plain')).toEqual(['198.51.100.0/24', '2001:db8:1::/48']);
      const reply = await ask<ReloadReply>(left, 'reload');
      expect(reply.changes).toEqual(dry.changes);

      await waitFor('the new networks at the other side', async () => {
        const received = await routesOf(right, '--received', 'plain');
        const text = received.map(({ prefix, attributes }) => `${prefix} ${attributes.med ?? '-'}`).sort();
        if (text.join() !== '192.0.2.0/24 7,198.51.100.0/24 7') throw new Error(text.join());
        return true;
      });
      expect(await prefixesOf(right, '--received', 'closed')).toEqual(['192.0.2.0/24', '198.51.100.0/24']);
      await waitForRoute(hosts.right, '192.0.2.0/24');
      await waitForNoRoute(hosts.right, '2001:db8:1::/48');
      const received = await routesOf(left, '--received', 'closed');
      expect(received.every(({ valid }) => valid)).toBe(true);
      expect(await establishedCounts(left)).toEqual(before);
      const peer = await peerOf(left, 'plain');
      expect(peer.description).toBe('the other one');
      expect(peer.stateSeconds).toBeGreaterThan(uptime);
    });

    test('SIGHUP does the same as bgpctl reload', async () => {
      const before = await establishedCounts(left);
      writeFileSync(left.configPath, configuration(sides.left));
      process.kill(left.process.pid, 'SIGHUP');
      await waitForRoute(hosts.right, '2001:db8:1::/48');
      await waitForNoRoute(hosts.right, '192.0.2.0/24');
      await waitFor('closed again', async () => (await prefixesOf(right, '--received', 'closed')).length === 0);
      expect(await establishedCounts(left)).toEqual(before);
      expect(left.process.log()).toMatch(/"msg":"reloaded"/);
    });

    test('another hold time resets that session and no other', async () => {
      const before = await establishedCounts(left);
      const since = (await peerOf(left, 'ipv6')).stateSeconds;
      const reply = await reload(left, sides.left, { peers: { spare: { holdTime: '9s' } } });
      expect(reply.resets).toEqual(['spare']);
      expect(reply.changes).toEqual([
        { action: 'change', kind: 'peer', name: 'spare', detail: 'holdSeconds: 90 -> 9', effect: 'reset' },
      ]);
      const peer = await waitFor('the session with the new hold time', async () => {
        const found = await peerOf(left, 'spare');
        return found.timers.holdSeconds === 9 ? found : undefined;
      });
      expect(peer.counters.established).toBe((before['spare'] ?? 0) + 1);
      expect((await peerOf(right, 'spare')).lastReset).toMatchObject({
        by: 'remote',
        text: expect.stringContaining('Other Configuration Change'),
      });
      expect(await establishedCounts(left)).toEqual({ ...before, spare: (before['spare'] ?? 0) + 1 });
      expect((await peerOf(left, 'ipv6')).stateSeconds).toBeGreaterThan(since);
      await reload(left, sides.left);
      await waitForTables(left, 'spare');
    });

    test('a peer that is no longer configured is told so, and comes back when it is', async () => {
      const before = await establishedCounts(left);
      const reply = await reload(left, sides.left, { peers: { spare: null } });
      expect(reply.changes).toMatchObject([{ action: 'remove', kind: 'peer', name: 'spare' }]);
      await down(right, 'spare', /De-configured|Peer De-configured/);
      expect((await bgpctl(left, 'show', 'peers', 'spare')).status).toBe(1);
      await reload(left, sides.left);
      await waitForTables(left, 'spare');
      expect({ ...(await establishedCounts(left)), spare: 0 }).toEqual({ ...before, spare: 0 });
    });

    describe('a bad file', () => {
      let before: Record<string, number>;
      let good: string;

      beforeAll(async () => {
        before = await establishedCounts(left);
        good = readFileSync(left.configPath, 'utf8');
        const bad = good.replace('"connectRetryTime": "1s"', '"connectRetryTime": "soon"');
        expect(bad).not.toBe(good);
        writeFileSync(left.configPath, bad);
      });

      afterAll(async () => {
        writeFileSync(left.configPath, good);
        expect(await ask<ReloadReply>(left, 'reload')).toMatchObject({ changes: [] });
      });

      async function expectNothingChanged(): Promise<void> {
        expect(await establishedCounts(left)).toEqual(before);
        expect(await prefixesOf(right, '--received', 'plain')).toEqual(sides.left.networks.toSorted());
        expect(kernelRoutes(hosts.right, 4).map(({ dst }) => dst)).toEqual([sides.left.networks[0]]);
      }

      test('bgpctl reload says what is wrong, and the running configuration stays in force', async () => {
        const refused = await bgpctl(left, 'reload', '--json');
        expect(refused.status).toBe(1);
        const { error } = JSON.parse(refused.stderr) as { error: { code: string; problems: object[] } };
        expect(error.code).toBe('invalid-config');
        expect(error.problems).toContainEqual({
          file: 'podroute.yaml',
          document: 3,
          path: 'spec.connectRetryTime',
          message: expect.stringContaining('soon'),
        });
        expect((await bgpctl(left, 'reload')).stderr).toMatch(
          /podroute\.yaml.*document 3.*spec\.connectRetryTime.*soon/,
        );
        await expectNothingChanged();
      });

      test('SIGHUP puts it into the log', async () => {
        const seen = left.process.log().length;
        process.kill(left.process.pid, 'SIGHUP');
        const line = await waitFor('the refusal in the log', () => {
          const lines = left.process.log().slice(seen).split('\n');
          return lines.find((text) => text.includes('reload refused'));
        });
        expect(line).toMatch(/podroute\.yaml: document 3.*spec\.connectRetryTime.*soon/);
        await expectNothingChanged();
      });
    });

    test('TTL security on both ends: the change reaches a session that was down', async () => {
      writeFileSync(
        right.configPath,
        configuration(sides.right, { peers: { 'gtsm-far': { multihop: undefined, ttlSecurity: 1 } } }),
      );
      await ask<ReloadReply>(right, 'reload');
      await waitForTables(left, 'gtsm-far');
    });

    test('the right key on both ends: the session comes up by itself', async () => {
      const password = { secretKeyRef: { name: 'keys', key: 'bad' } };
      await reload(left, sides.left, { peers: { 'md5-wrong': { password } } });
      await waitForTables(left, 'md5-wrong');
      await reload(left, sides.left);
    });

    test('another key for a prefix, on both ends: the session stays and works', async () => {
      const key = (name: string) => ({
        peers: { dynamic: { password: { secretKeyRef: { name: 'keys', key: name } } } },
      });
      const { counters } = await peerOf(right, 'dynamic');
      expect((await reload(left, sides.left, key('bad'))).resets).toEqual([]);
      expect((await reload(right, sides.right, key('bad'))).resets).toEqual([]);
      const updates = (await peerOf(right, 'dynamic')).counters.update.received;
      await reload(left, sides.left, { ...key('bad'), networks: [...sides.left.networks, '198.51.101.0/24'] });
      await waitFor('an UPDATE over the session with the new key', async () => {
        return (await peerOf(right, 'dynamic')).counters.update.received > updates;
      });
      expect((await peerOf(right, 'dynamic')).counters.established).toBe(counters.established);
      await reload(right, sides.right);
      await reload(left, sides.left);
      await waitForTables(left, 'dynamic/10.1.8.2');
    });

    test('a key of a prefix that can no longer be read: nobody is let in by it', async () => {
      await reload(left, sides.left, {
        peers: { dynamic: { password: { secretKeyRef: { name: 'keys', key: 'lost' } } } },
      });
      await waitFor('the session down', async () => (await peerOf(right, 'dynamic')).state !== 'Established');
      const { peers } = await ask<PeersReply>(left, 'show', 'peers');
      expect(peers.map(({ name }) => name)).not.toContain('dynamic/10.1.8.2');
      await reload(left, sides.left);
      await waitForTables(left, 'dynamic/10.1.8.2');
    });
  });

  describe('a person at the console', () => {
    test('shutdown tells the other side why and stays down; enable takes it back', async () => {
      const done = await ask<{ adminState: string }>(left, 'shutdown', 'plain', '--message', 'new cables, back at 12');
      expect(done.adminState).toBe('down');
      const seen = await waitFor('the other side to hear of it', async () => {
        const peer = await peerOf(right, 'plain');
        return peer.state === 'Established' ? undefined : peer;
      });
      expect(seen.lastReset).toMatchObject({
        by: 'remote',
        text: expect.stringContaining('Administrative Shutdown: "new cables, back at 12"'),
      });
      const own = await peerOf(left, 'plain');
      expect(own).toMatchObject({ state: 'Idle', adminState: 'down', adminText: 'new cables, back at 12' });
      expect((await bgpctl(left, 'clear', 'plain')).status).toBe(1);
      await ask(left, 'enable', 'plain');
      await waitForTables(left, 'plain');
    });

    test('clear resets that session; clear --soft keeps it', async () => {
      const before = await establishedCounts(left);
      await ask(left, 'clear', 'plain', '--soft');
      expect(await establishedCounts(left)).toEqual(before);
      await ask(left, 'clear', '10.1.0.2');
      await waitFor('the session after the reset', async () => {
        const peer = await peerOf(left, 'plain');
        return peer.counters.established === (before['plain'] ?? 0) + 1 && peer.state === 'Established';
      });
      expect((await peerOf(right, 'plain')).lastReset?.text).toContain('Administrative Reset');
      await waitForTables(left, 'plain');
    });

    test('an unknown peer is an error that names those there are', async () => {
      const refused = await bgpctl(left, 'clear', 'nobody');
      expect(refused.status).toBe(1);
      expect(refused.stderr).toMatch(/nobody.*known: .*plain/s);
    });

    test('the daemon has done its own job although peers are down', async () => {
      expect((await bgpctl(left, 'health')).status).toBe(0);
    });
  });

  test('SIGTERM: the other side hears Administrative Shutdown, and bgpctl says that nobody is there', async () => {
    await right.process.stop('SIGTERM');
    const seen = await waitFor('the session to end', async () => {
      const peer = await peerOf(left, 'plain');
      return peer.state === 'Established' ? undefined : peer;
    });
    expect(seen.lastReset?.text).toContain('Administrative Shutdown');
    const away = await bgpctl(right, 'show', 'peers');
    expect(away.status).toBe(3);
    expect(away.stderr).toContain('podrouted is not running');
    expectNoBugs(left, right);
  });
});

describe('podrouted --check', () => {
  let lab: Lab;

  const check = (file: string, ...flags: string[]) =>
    tryCommand([process.execPath, join(projectRoot, 'speaker/main.ts'), '--config', file, '--check', ...flags]);

  beforeAll(() => {
    lab = new Lab('dck');
  });

  afterAll(() => lab.close());

  function write(name: string, text: string): string {
    const path = join(lab.directory, name);
    writeFileSync(path, text);
    return path;
  }

  test('0 for a configuration that can be used, with what it means', () => {
    const { status, stdout } = check(write('good.yaml', configuration(sides.left)));
    expect(stdout).toContain(`node left, AS ${LEFT_AS}: 10 peers`);
    expect(status).toBe(0);
  });

  test('3 for one that cannot, with file, document and path of every problem', () => {
    const bad = yaml(
      resource('Node', 'left', { asNumber: 'many', ipv4Address: '10.1.0.1/24' }),
      resource('BGPPeer', 'tor', { peerIP: '10.1.0.2', asNumber: 65000, holdTime: '2s' }),
    );
    const path = write('bad.yaml', bad);
    const { status, stderr } = check(path);
    expect(status).toBe(3);
    expect(stderr).toMatch(/bad\.yaml.*document 1.*spec\.asNumber.*many/);
    expect(stderr).toMatch(/bad\.yaml.*document 2.*spec\.holdTime/);
  });

  test.each([
    ['3 for a file that is not there', ['--config', '/no/such/file.yaml', '--check'], 3],
    ['2 for flags that make no sense', ['--chekc'], 2],
  ])('%s', (_, words, status) => {
    expect(tryCommand([process.execPath, join(projectRoot, 'speaker/main.ts'), ...words]).status).toBe(status);
  });
});
