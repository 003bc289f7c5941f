import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CniLab, type PluginRun } from '../support/cni-lab.ts';
import type { CniCall } from '../support/cni-request.ts';

const id = `prc${process.pid}`;
const node = `${id}n`;
const isRoot = process.getuid?.() === 0;
const namespaces: string[] = [];

function ip(...args: string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8' });
}

function within(netns: string, ...command: string[]): string {
  return execFileSync('nsenter', [`--net=/run/netns/${netns}`, ...command], { encoding: 'utf8', stdio: 'pipe' });
}

function addNamespace(name: string): string {
  ip('netns', 'add', name);
  namespaces.push(name);
  return `/run/netns/${name}`;
}

function ping(netns: string, address: string): void {
  within(netns, 'ping', '-c1', '-W2', '-n', address);
}

interface Result {
  readonly ips: readonly { readonly address: string; readonly gateway: string }[];
  readonly interfaces: readonly { readonly name: string; readonly mac: string; readonly sandbox?: string }[];
}

function resultOf(run: PluginRun): Result {
  expect(run, JSON.stringify(run.output)).toMatchObject({ exitCode: 0 });
  return run.output as unknown as Result;
}

function addressesOf(run: PluginRun): [string, string] {
  const [v4, v6] = resultOf(run).ips.map((entry) => entry.address.split('/')[0] ?? '');
  return [v4 ?? '', v6 ?? ''];
}

function hostEndOf(run: PluginRun): string {
  return resultOf(run).interfaces[0]?.name ?? '';
}

/** Names of our host ends in the node. */
function hostEnds(): string[] {
  return [...within(node, 'ip', '-o', 'link').matchAll(/ (pr[0-9a-f]{13})[@:]/g)].map((match) => match[1] ?? '');
}

/** Routes of protocol 178 in the node. */
function podRoutes(): string[] {
  const text =
    within(node, 'ip', 'route', 'show', 'proto', '178') + within(node, 'ip', '-6', 'route', 'show', 'proto', '178');
  return text.split('\n').filter((line) => line !== '');
}

describe.skipIf(!isRoot)('pods in real namespaces', () => {
  const blocks = ['10.244.7.0/24', 'fd00:10:244:7::/120'];
  let lab: CniLab;

  beforeAll(async () => {
    addNamespace(node);
    within(node, 'ip', 'link', 'set', 'lo', 'up');
    within(node, 'ip', 'address', 'add', '192.0.2.1/32', 'dev', 'lo');
    within(node, 'ip', 'address', 'add', '2001:db8::1/128', 'dev', 'lo', 'nodad');
    lab = new CniLab();
    await lab.start({ blocks, wiring: 'netlink', netns: `/run/netns/${node}` });
  });

  afterAll(async () => {
    await lab?.close();
    for (const name of namespaces) ip('netns', 'delete', name);
  });

  function callFor(name: string, command: string, more: Partial<CniCall> = {}): CniCall {
    return { command, containerId: name, ifName: 'eth0', netns: `/run/netns/${name}`, version: '1.1.0', ...more };
  }

  function addPod(name: string, more: Partial<CniCall> = {}): Promise<PluginRun> {
    addNamespace(name);
    return lab.call(callFor(name, 'ADD', more));
  }

  test('two pods reach each other, the gateway and the node, at once and in both families', async () => {
    const a = `${id}a`;
    const b = `${id}b`;
    const first = await addPod(a);
    const second = await addPod(b);
    const [a4, a6] = addressesOf(first);
    const [b4, b6] = addressesOf(second);
    for (const address of [b4, b6, '169.254.1.1', 'fe80::1%eth0', '192.0.2.1', '2001:db8::1']) ping(a, address);
    for (const address of [a4, a6]) {
      ping(b, address);
      ping(node, address);
    }
    const podLink = within(a, 'cat', '/proc/net/if_inet6');
    expect(podLink).toContain('eth0');
    expect(within(a, 'ip', '-6', 'address', 'show', 'dev', 'eth0', 'scope', 'global')).not.toContain('tentative');
    expect(resultOf(first).interfaces[1]).toMatchObject({ name: 'eth0', sandbox: `/run/netns/${a}` });
    expect(within(a, 'cat', '/sys/class/net/eth0/address').length).toBeGreaterThan(0);
    expect(within(a, 'ip', 'link', 'show', 'eth0')).toContain(resultOf(first).interfaces[1]?.mac);
    expect(within(node, 'ip', 'route', 'show', a4)).toContain(`dev ${hostEndOf(first)} proto 178 scope link`);
    expect(within(node, 'ip', 'route', 'get', a4)).toContain('src 192.0.2.1');
    for (const name of [a, b]) expect((await lab.call(callFor(name, 'DEL'))).exitCode).toBe(0);
    expect(hostEnds()).toEqual([]);
    expect(podRoutes()).toEqual([]);
  });

  test('a pod cannot speak with an address of another', async () => {
    const a = `${id}s`;
    const b = `${id}v`;
    await addPod(a);
    const [b4] = addressesOf(await addPod(b));
    const echoesHeard = () => {
      const lines = within(node, 'cat', '/proc/net/snmp')
        .split('\n')
        .filter((line) => line.startsWith('Icmp:'));
      const [names = [], values = []] = lines.map((line) => line.split(' '));
      return Number(values[names.indexOf('InEchos')]);
    };
    within(a, 'ip', 'address', 'add', `${b4}/32`, 'dev', 'eth0');
    const before = echoesHeard();
    expect(() => within(a, 'ping', '-c1', '-W1', '-n', '-I', b4, '192.0.2.1')).toThrow();
    expect(echoesHeard()).toBe(before);
    ping(a, '192.0.2.1');
    expect(echoesHeard()).toBe(before + 1);
    for (const name of [a, b]) await lab.call(callFor(name, 'DEL'));
  });

  test('DEL twice, without a namespace, and after the namespace is gone', async () => {
    const a = `${id}d`;
    const run = await addPod(a);
    ip('netns', 'delete', a);
    namespaces.splice(namespaces.indexOf(a), 1);
    expect(resultOf(run).ips).toHaveLength(2);
    for (const netns of [`/run/netns/${a}`, '', '']) {
      expect(await lab.call(callFor(a, 'DEL', { netns }))).toMatchObject({ exitCode: 0, output: undefined });
    }
    const b = `${id}e`;
    await addPod(b);
    expect(await lab.call(callFor(b, 'DEL', { netns: '' }))).toMatchObject({ exitCode: 0, output: undefined });
    expect(within(b, 'ip', '-o', 'link')).not.toContain('eth0');
    expect(podRoutes()).toEqual([]);
  });

  test('ADD again answers the same, and so does ADD after a restart of the daemon', async () => {
    const a = `${id}g`;
    const first = await addPod(a);
    expect((await lab.call(callFor(a, 'ADD'))).output).toEqual(first.output);
    await lab.stop('SIGKILL');
    await lab.start({ blocks, wiring: 'netlink', netns: `/run/netns/${node}` });
    ping(a, '192.0.2.1');
    expect((await lab.call(callFor(a, 'ADD'))).output).toEqual(first.output);
    await lab.call(callFor(a, 'DEL'));
  });

  const killPoints = ['intent', 'wired', 'attached', 'detach-intent', 'unwired', 'detached'];
  test.each(killPoints)(
    'killed at "%s": after a start only whole pods are left, and they still answer',
    async (killAt) => {
      const bystander = `${id}k${killPoints.indexOf(killAt)}`;
      const victim = `${id}l${killPoints.indexOf(killAt)}`;
      const [v4, v6] = addressesOf(await addPod(bystander));
      await lab.stop();
      await lab.start({ blocks, wiring: 'netlink', netns: `/run/netns/${node}`, killAt });
      const first = await addPod(victim);
      if (first.exitCode === 0) expect(await lab.call(callFor(victim, 'DEL'))).toMatchObject({ exitCode: 1 });
      await lab.ended();
      ping(bystander, '192.0.2.1');
      await lab.start({ blocks, wiring: 'netlink', netns: `/run/netns/${node}` });
      expect(hostEnds()).toHaveLength(killAt === 'attached' ? 2 : 1);
      expect(podRoutes()).toHaveLength(killAt === 'attached' ? 4 : 2);
      expect(await lab.call(callFor(victim, 'DEL', { netns: '' }))).toMatchObject({ exitCode: 0 });
      expect(within(victim, 'ip', '-o', 'link')).not.toContain('eth0');
      for (const address of [v4, v6]) ping(node, address);
      await lab.call(callFor(bystander, 'DEL'));
      expect(podRoutes()).toEqual([]);
    },
  );

  test('a lost store is made again from the kernel: no address of a live pod is given away', async () => {
    const a = `${id}o`;
    const run = await addPod(a);
    const [v4] = addressesOf(run);
    await lab.stop('SIGKILL');
    for (const end of ['', '-wal', '-shm']) rmSync(`${lab.state}${end}`, { force: true });
    await lab.start({ blocks, wiring: 'netlink', netns: `/run/netns/${node}` });
    const b = `${id}p`;
    const refused = await addPod(b, { args: `IP=${v4}` });
    expect(refused).toMatchObject({ exitCode: 1, output: { code: 101, details: expect.stringContaining(a) } });
    ping(node, v4);
    expect(await lab.call(callFor(a, 'CHECK', { config: { prevResult: run.output } }))).toMatchObject({ exitCode: 0 });
    await lab.call(callFor(a, 'DEL', { netns: '' }));
    expect(podRoutes()).toEqual([]);
  });

  test('routes deleted while the daemon is away are back once it has started', async () => {
    const a = `${id}h`;
    const run = await addPod(a);
    const [a4, a6] = addressesOf(run);
    await lab.stop();
    within(node, 'ip', 'route', 'delete', a4);
    within(node, 'ip', '-6', 'route', 'delete', a6);
    await lab.start({ blocks, wiring: 'netlink', netns: `/run/netns/${node}` });
    ping(node, a4);
    ping(node, a6);
    await lab.call(callFor(a, 'DEL'));
  });

  describe('CHECK', () => {
    const name = `${id}c`;
    let added: PluginRun;

    function check(): Promise<PluginRun> {
      return lab.call(callFor(name, 'CHECK', { config: { prevResult: added.output } }));
    }

    beforeAll(async () => {
      added = await addPod(name);
    });

    afterAll(async () => {
      await lab.call(callFor(name, 'DEL'));
    });

    test('is content with a pod as it was left', async () => {
      expect(await check()).toMatchObject({ exitCode: 0, output: undefined });
    });

    const damages: { name: string; where: 'pod' | 'node'; break: string; mend: string; message: RegExp }[] = [
      {
        name: 'the IPv4 route to the pod',
        where: 'node',
        break: 'route delete V4',
        mend: 'route add V4 dev HOST proto 178 scope link',
        message: /no route to 10\./,
      },
      {
        name: 'the IPv6 route to the pod',
        where: 'node',
        break: '-6 route delete V6',
        mend: '-6 route add V6 dev HOST proto 178 metric 256',
        message: /no route to fd00:/,
      },
      {
        name: 'the address in the pod',
        where: 'pod',
        break: '-6 address delete V6/128 dev eth0',
        mend: '-6 address add V6/128 dev eth0 nodad',
        message: /lost address fd00:/,
      },
      {
        name: 'the default route in the pod',
        where: 'pod',
        break: 'route delete default',
        mend: 'route add default via 169.254.1.1 dev eth0',
        message: /lost its IPv4 default route/,
      },
      {
        name: 'the host end being down',
        where: 'node',
        break: 'link set HOST down',
        mend: 'link set HOST up',
        message: /HOST is down|is down/,
      },
    ];
    test.each(damages)('notices $name', async (damage) => {
      const [v4, v6] = addressesOf(added);
      const run = (command: string) => {
        const words = command.replace('V4', v4).replace('V6', v6).replace('HOST', hostEndOf(added)).split(' ');
        within(damage.where === 'pod' ? name : node, 'ip', ...words);
      };
      run(damage.break);
      const broken = await check();
      expect(broken).toMatchObject({ exitCode: 1, output: { code: 103 } });
      expect(`${broken.output?.['msg']} ${broken.output?.['details']}`).toMatch(damage.message);
      run(damage.mend);
      // Taking the host end down takes its routes; a restart's repair is the daemon's own way to put them back.
      if (damage.name.includes('down')) {
        await lab.stop();
        await lab.start({ blocks, wiring: 'netlink', netns: `/run/netns/${node}` });
      }
      expect(await check()).toMatchObject({ exitCode: 0 });
    });
  });

  const failures: {
    name: string;
    call: Partial<CniCall>;
    prepare?: (netns: string) => void;
    code: number;
    message: RegExp;
  }[] = [
    { name: 'a namespace that does not exist', call: { netns: '/run/netns/none' }, code: 4, message: /cannot be used/ },
    { name: 'a file that is no namespace', call: { netns: '/etc/hostname' }, code: 4, message: /cannot be used/ },
    { name: "the node's own namespace", call: { netns: `/run/netns/${node}` }, code: 4, message: /cannot be used/ },
    {
      name: 'an interface that exists',
      call: {},
      prepare: (netns) => void within(netns, 'ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'other'),
      code: 4,
      message: /already has an interface eth0/,
    },
    {
      name: 'a default route that exists',
      call: {},
      prepare(netns) {
        within(netns, 'ip', 'link', 'add', 'x0', 'up', 'type', 'veth', 'peer', 'name', 'x1');
        within(netns, 'ip', 'route', 'add', 'default', 'dev', 'x0');
      },
      code: 102,
      message: /default route in the pod/,
    },
    {
      name: "somebody else's route to the address",
      call: { args: 'IP=10.244.7.200' },
      prepare: () => void within(node, 'ip', 'route', 'add', 'unreachable', '10.244.7.200/32', 'metric', '0'),
      code: 102,
      message: /adding the route to 10.244.7.200/,
    },
  ];
  test.each(failures)('ADD into $name fails and leaves nothing', async ({ name, call, prepare, code, message }) => {
    const pod = `${id}f${failures.findIndex((row) => row.name === name)}`;
    addNamespace(pod);
    prepare?.(pod);
    const before = within(pod, 'ip', '-o', 'link');
    const run = await lab.call(callFor(pod, 'ADD', call));
    expect(run).toMatchObject({ exitCode: 1, output: { code } });
    expect(run.output?.['msg']).toMatch(message);
    expect(hostEnds()).toEqual([]);
    expect(podRoutes()).toEqual([]);
    expect(within(pod, 'ip', '-o', 'link')).toBe(before);
  });

  test('as a secondary interface: no default route, the name asked for, the MTU of the configuration', async () => {
    const a = `${id}m`;
    const config = { include_default_routes: false, mtu: 1400 };
    const run = await addPod(a, { ifName: 'net1', config });
    expect(run.output).toMatchObject({ routes: [], interfaces: [{ mtu: 1400 }, { name: 'net1', mtu: 1400 }] });
    expect(within(a, 'ip', 'route')).not.toContain('default');
    expect(within(a, 'ip', 'link', 'show', 'net1')).toContain('mtu 1400');
    expect(within(node, 'ip', 'link', 'show', hostEndOf(run))).toContain('mtu 1400');
    // Without a default route the pod answers only what it has a route to: the gateway.
    within(node, 'ping', '-c1', '-W2', '-n', '-I', '169.254.1.1', addressesOf(run)[0]);
    await lab.call(callFor(a, 'DEL', { ifName: 'net1' }));
  });

  test('fifty at once, then all gone at once', { timeout: 60_000 }, async () => {
    const names = Array.from({ length: 50 }, (_, i) => `${id}x${i}`);
    for (const name of names) addNamespace(name);
    const added = await Promise.all(names.map((name) => lab.call(callFor(name, 'ADD'))));
    const addresses = added.flatMap((run) => addressesOf(run));
    expect(new Set(addresses).size).toBe(100);
    expect(hostEnds()).toHaveLength(50);
    expect(podRoutes()).toHaveLength(100);
    ping(names[0] ?? '', addresses[98] ?? '');
    ping(names[49] ?? '', addresses[1] ?? '');
    const removed = await Promise.all(names.map((name) => lab.call(callFor(name, 'DEL', { netns: '' }))));
    expect(removed.every((run) => run.exitCode === 0)).toBe(true);
    expect(hostEnds()).toEqual([]);
    expect(podRoutes()).toEqual([]);
  });

  test('ADD on the heels of DEL: the deletion under way never takes the new pair', async () => {
    const names = Array.from({ length: 6 }, (_, i) => `${id}y${i}`);
    for (const name of names) await addPod(name);
    for (let round = 0; round < 5; round++) {
      await Promise.all(
        names.map(async (name) => {
          expect(await lab.call(callFor(name, 'DEL'))).toMatchObject({ exitCode: 0 });
          expect(await lab.call(callFor(name, 'ADD'))).toMatchObject({ exitCode: 0 });
        }),
      );
    }
    // Whatever the kernel still had to do for the last deletions is done before it makes an interface go again.
    const last = `${id}y-last`;
    await addPod(last);
    await lab.call(callFor(last, 'DEL'));
    expect(hostEnds()).toHaveLength(names.length);
    expect(podRoutes()).toHaveLength(2 * names.length);
    for (const name of names) ping(name, '192.0.2.1');
    for (const name of names) await lab.call(callFor(name, 'DEL'));
    expect(podRoutes()).toEqual([]);
  });

  test('an ADD takes a few milliseconds', async () => {
    const took: number[] = [];
    for (let i = 0; i < 15; i++) {
      const name = `${id}t${i}`;
      const run = await addPod(name);
      took.push(run.tookMs);
      await lab.call(callFor(name, 'DEL'));
    }
    const median = took.sort((a, b) => a - b)[7] ?? 0;
    const inside = [...lab.log.matchAll(/"tookMs":([\d.]+)/g)].slice(-15).map((match) => Number(match[1]));
    const insideMedian = inside.sort((a, b) => a - b)[7] ?? 0;
    const figures = `${median.toFixed(1)} ms with the plugin's start, ${insideMedian.toFixed(1)} ms in the daemon`;
    process.stdout.write(`ADD, median of 15: ${figures}\n`);
    // A tenth of what waiting for duplicate address detection costs.
    expect(median).toBeLessThan(150);
  });
});
