import { formatPrefix, type Prefix, prefix } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { CniDispatcher, type CniDispatcherOptions } from '../../../cni/dispatcher.ts';
import { SqliteStore } from '../../../cni/ipam/store.ts';
import { hostIfName, WiringError } from '../../../cni/wiring.ts';
import { silentLogger } from '../../../lib/log.ts';
import { type CniCall, rawRequest } from '../../support/cni-request.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeWiring } from '../../support/fake-wiring.ts';

interface Bench {
  readonly dispatcher: CniDispatcher;
  readonly kernel: FakeWiring;
  readonly store: SqliteStore;
  readonly clock: FakeClock;
  call(command: string, containerId?: string, more?: Partial<CniCall>): Promise<{ exitCode: number; output: unknown }>;
}

const dualStack = ['10.0.0.0/30', 'fd00::/126'];

async function bench(
  blocks: readonly string[] = dualStack,
  options: Partial<CniDispatcherOptions> = {},
): Promise<Bench> {
  const kernel = new FakeWiring();
  const store = new SqliteStore(':memory:');
  const clock = new FakeClock();
  const dispatcher = new CniDispatcher({
    openStore: () => store,
    wiring: kernel,
    clock,
    log: silentLogger,
    ...options,
  });
  await dispatcher.open();
  dispatcher.setBlocks(blocks.map((text) => ({ prefix: prefix(text) })));
  return {
    dispatcher,
    kernel,
    store,
    clock,
    async call(command, containerId = 'a', more = {}) {
      const call = {
        command,
        containerId,
        ifName: 'eth0',
        netns: `/run/netns/${containerId}`,
        version: '1.1.0',
        ...more,
      };
      const { exitCode, stdout } = await dispatcher.handle(rawRequest(call));
      return { exitCode, output: stdout === '' ? undefined : (JSON.parse(stdout) as unknown) };
    },
  };
}

describe('ADD', () => {
  test('answers one address of each family, the gateways and the default routes', async () => {
    const { call, kernel } = await bench();
    expect(await call('ADD', 'a', { config: { dns: { nameservers: ['10.0.0.10'] }, mtu: 1400 } })).toEqual({
      exitCode: 0,
      output: {
        cniVersion: '1.1.0',
        interfaces: [
          { name: hostIfName('a', 'eth0'), mac: 'ee:ee:ee:ee:ee:ee', mtu: 1400 },
          { name: 'eth0', mac: '02:00:00:00:00:01', mtu: 1400, sandbox: '/run/netns/a' },
        ],
        ips: [
          { interface: 1, address: '10.0.0.0/32', gateway: '169.254.1.1' },
          { interface: 1, address: 'fd00::/128', gateway: 'fe80::1' },
        ],
        routes: [
          { dst: '0.0.0.0/0', gw: '169.254.1.1' },
          { dst: '::/0', gw: 'fe80::1' },
        ],
        dns: { nameservers: ['10.0.0.10'] },
      },
    });
    expect(kernel.addresses).toEqual(['10.0.0.0', 'fd00::']);
  });

  test('gives an IPv6-only pod where there are only IPv6 blocks', async () => {
    const { call } = await bench(['fd00::/126']);
    expect(await call('ADD')).toMatchObject({
      output: { ips: [{ address: 'fd00::/128' }], routes: [{ dst: '::/0' }] },
    });
  });

  test('asked again, answers the same and wires nothing', async () => {
    const { call, kernel } = await bench();
    const first = await call('ADD');
    expect(await call('ADD')).toEqual(first);
    expect(kernel.calls.filter((entry) => entry.startsWith('wire'))).toHaveLength(1);
  });

  test('asked again for a pod that is damaged or moved, sets it up anew', async () => {
    const { call, kernel } = await bench();
    await call('ADD');
    kernel.damaged.add(hostIfName('a', 'eth0'));
    expect(await call('ADD')).toMatchObject({ exitCode: 0 });
    expect(await call('ADD', 'a', { netns: '/run/netns/other' })).toMatchObject({ exitCode: 0 });
    expect(kernel.pods.size).toBe(1);
    expect(kernel.calls.filter((entry) => entry.startsWith('wire'))).toHaveLength(3);
  });

  test('two interfaces of one container have addresses of their own', async () => {
    const { call, kernel, dispatcher } = await bench();
    await call('ADD');
    await call('ADD', 'a', { ifName: 'net1' });
    expect(kernel.addresses).toEqual(['10.0.0.0', '10.0.0.1', 'fd00::', 'fd00::1']);
    await call('DEL', 'a', { ifName: 'eth0' });
    expect(kernel.addresses).toEqual(['10.0.0.1', 'fd00::1']);
    await call('ADD', 'a');
    await call('DEL', 'a', { ifName: '' });
    expect(dispatcher.pods()).toEqual([]);
  });

  test('an address that is asked for', async () => {
    const { call } = await bench();
    expect(await call('ADD', 'a', { args: 'IP=10.0.0.2' })).toMatchObject({
      output: { ips: [{ address: '10.0.0.2/32' }, { address: 'fd00::/128' }] },
    });
    expect(await call('ADD', 'b', { args: 'K8S_POD_NAME=b;IP=10.0.0.2' })).toMatchObject({
      exitCode: 1,
      output: {
        code: 101,
        msg: expect.stringContaining('10.0.0.2, which another pod holds'),
        details: expect.stringContaining('container a'),
      },
    });
    expect(await call('ADD', 'b', { args: 'IP=10.9.9.9' })).toMatchObject({
      output: {
        code: 101,
        msg: expect.stringContaining('in none of the blocks'),
        details: expect.stringContaining('10.0.0.0/30'),
      },
    });
  });

  test('half a dual-stack success is no success: neither family is left held', async () => {
    const { call, dispatcher } = await bench(['10.0.0.0/30', 'fd00::/127']);
    await call('ADD', 'a');
    await call('ADD', 'b');
    expect(await call('ADD', 'c')).toMatchObject({
      exitCode: 1,
      output: { code: 100, msg: 'no free IPv6 address on this node: fd00::/127 (2 of 2 in use)' },
    });
    expect(dispatcher.blocks().map((block) => block.used)).toEqual([2, 2]);
    await call('DEL', 'a');
    expect(await call('ADD', 'c')).toMatchObject({ exitCode: 0 });
  });

  test('without blocks is to be tried again', async () => {
    const { call } = await bench([]);
    expect(await call('ADD')).toMatchObject({
      exitCode: 1,
      output: { code: 11, msg: expect.stringContaining('block') },
    });
  });

  test.each([
    {
      error: new WiringError({ code: 'no-namespace', netns: '/run/netns/a' }, 'no such file'),
      code: 4,
      msg: "the pod's network namespace /run/netns/a cannot be used",
    },
    {
      error: new WiringError({ code: 'interface-exists', ifName: 'eth0' }, 'exists'),
      code: 4,
      msg: 'the pod already has an interface eth0',
    },
    {
      error: new WiringError(
        { code: 'refused', step: 'making the veth pair', errno: 'EPERM' },
        'making the veth pair: EPERM',
      ),
      code: 102,
      msg: "the pod's network could not be set up: making the veth pair: EPERM",
    },
    { error: new Error('a bug'), code: 110, msg: 'podrouted failed unexpectedly' },
  ])('that fails in the kernel with $code leaves no address held', async ({ error, code, msg }) => {
    const { call, kernel, dispatcher } = await bench();
    kernel.failNext.set('wire', error);
    expect(await call('ADD')).toMatchObject({ exitCode: 1, output: { code, msg } });
    expect(dispatcher.pods()).toEqual([]);
    expect(dispatcher.blocks().map((block) => block.used)).toEqual([0, 0]);
  });

  test('whose failure cannot be undone stays recorded until DEL', async () => {
    const { call, kernel, dispatcher } = await bench();
    kernel.failNext.set('wire', new Error('no memory'));
    kernel.failNext.set('unwire', new Error('device busy'));
    expect(await call('ADD')).toMatchObject({ exitCode: 1 });
    expect(dispatcher.pods()).toMatchObject([{ state: 'deleting' }]);
    expect(await call('DEL')).toMatchObject({ exitCode: 0 });
    expect(dispatcher.pods()).toEqual([]);
  });

  test('a released address rests before it is used again', async () => {
    const { call, clock } = await bench(['10.0.0.0/31', '10.0.1.0/31'], { coolDownSeconds: 30 });
    const address = async (id: string) =>
      ((await call('ADD', id)).output as { ips: { address: string }[] }).ips[0]?.address;
    expect(await address('a')).toBe('10.0.0.0/32');
    expect(await address('b')).toBe('10.0.0.1/32');
    await call('DEL', 'b');
    expect(await address('c')).toBe('10.0.1.0/32');
    clock.advance(30_000);
    expect(await address('d')).toBe('10.0.0.1/32');
  });
});

describe('no free address', () => {
  test('an ADD waits for another block, once', async () => {
    let asked = 0;
    const made: Bench[] = [];
    const moreAddresses = async () => {
      asked += 1;
      made[0]?.dispatcher.setBlocks([{ prefix: prefix('10.0.0.0/32') }, { prefix: prefix('10.0.7.0/32') }]);
      return true;
    };
    made.push(await bench(['10.0.0.0/32'], { handlers: { moreAddresses } }));
    const call = (made[0] as Bench).call;
    const address = async (id: string) => (await call('ADD', id)).output;
    expect(await address('a')).toMatchObject({ ips: [{ address: '10.0.0.0/32' }] });
    expect(asked).toBe(0);
    expect(await address('b')).toMatchObject({ ips: [{ address: '10.0.7.0/32' }] });
    expect(await address('c')).toMatchObject({ msg: expect.stringContaining('no free IPv4 address') });
    expect(asked).toBe(2);
  });

  test('none to be had: the error says what is in use, and nothing is held', async () => {
    const { call, dispatcher } = await bench(['10.0.0.0/32'], { handlers: { moreAddresses: async () => false } });
    await call('ADD', 'a');
    expect((await call('ADD', 'b')).output).toMatchObject({ msg: expect.stringContaining('1 of 1 in use') });
    expect(dispatcher.pods()).toHaveLength(1);
  });

  test('what is in the kernel and nobody holds is found', async () => {
    const { call, dispatcher, kernel } = await bench();
    await call('ADD', 'a');
    expect(await dispatcher.audit()).toEqual({ interfaces: 1, problems: [] });
    await kernel.unwire(hostIfName('a', 'eth0'));
    expect((await dispatcher.audit()).problems).toEqual([`container a has no interface ${hostIfName('a', 'eth0')}`]);
  });
});

describe('order', () => {
  test('commands of one container wait for each other, other containers do not', async () => {
    const { call, kernel } = await bench();
    let open = () => {};
    kernel.gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const first = call('ADD', 'a');
    const second = call('DEL', 'a');
    expect(await call('DEL', 'b')).toMatchObject({ exitCode: 0 });
    expect(kernel.calls).toEqual(['wire a eth0', `unwire ${hostIfName('b', 'eth0')}`]);
    open();
    await Promise.all([first, second]);
    expect(kernel.calls.slice(2)).toEqual([`unwire ${hostIfName('a', 'eth0')}`]);
    expect(kernel.pods.size).toBe(0);
  });

  test('an ADD whose turn comes too late, or that nobody waits for, does nothing', async () => {
    const { call, kernel, clock, dispatcher } = await bench();
    let open = () => {};
    kernel.gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const first = call('ADD');
    const late = call('ADD', 'a', { netns: '/run/netns/late' });
    await new Promise((resolve) => setImmediate(resolve)); // both stand in the queue now
    clock.advance(61_000);
    const call2 = { command: 'ADD', containerId: 'a', ifName: 'eth0', netns: '/run/netns/x' };
    const unwanted = dispatcher.handle(rawRequest(call2), () => false);
    open();
    expect(await first).toMatchObject({ exitCode: 0 });
    expect(await late).toMatchObject({ output: { code: 11, msg: expect.stringContaining('earlier request') } });
    expect(JSON.parse((await unwanted).stdout)).toMatchObject({ code: 11, msg: expect.stringContaining('gave up') });
    expect(kernel.calls.filter((entry) => entry.startsWith('wire'))).toHaveLength(1);
  });

  test('after close, commands are refused', async () => {
    const { call, dispatcher } = await bench();
    await dispatcher.close();
    expect(await call('ADD')).toMatchObject({ output: { code: 11, msg: 'podrouted is stopping' } });
    await dispatcher.close();
  });
});

describe('DEL', () => {
  test('of what was never there succeeds and sweeps the name that follows from the request', async () => {
    const { call, kernel } = await bench();
    expect(await call('DEL', 'ghost', { netns: '' })).toEqual({ exitCode: 0, output: undefined });
    expect(kernel.calls).toEqual([`unwire ${hostIfName('ghost', 'eth0')}`]);
  });

  test('that the kernel refuses is an error, and the address stays held', async () => {
    const { call, kernel, dispatcher } = await bench();
    await call('ADD');
    kernel.failNext.set('unwire', new Error('device busy'));
    expect(await call('DEL')).toMatchObject({ exitCode: 1, output: { code: 110 } });
    expect(dispatcher.blocks()[0]?.used).toBe(1);
    expect(await call('DEL')).toMatchObject({ exitCode: 0 });
  });
});

describe('CHECK', () => {
  test('compares result, store and kernel', async () => {
    const { call, kernel } = await bench();
    const { output } = await call('ADD');
    const check = (prevResult: unknown) => call('CHECK', 'a', { config: { prevResult } });
    expect(await check(output)).toEqual({ exitCode: 0, output: undefined });
    expect(await call('CHECK')).toMatchObject({ output: { code: 7 } });
    const other = { ...(output as object), ips: [{ interface: 1, address: '10.0.0.3/32' }] };
    expect(await check(other)).toMatchObject({
      output: { code: 103, details: expect.stringMatching(/lacks address 10.0.0.0.*has address 10.0.0.3/) },
    });
    expect(await check({})).toMatchObject({ output: { code: 103, msg: expect.stringContaining('no interface eth0') } });
    kernel.damaged.add(hostIfName('a', 'eth0'));
    expect(await check(output)).toMatchObject({ output: { code: 103, details: 'the route to the pod is missing' } });
    await call('DEL');
    expect(await check(output)).toMatchObject({ output: { code: 3 } });
  });
});

describe('GC', () => {
  test('removes what is not listed, of its own network, and nothing that is being added', async () => {
    const { call, kernel, dispatcher } = await bench(['10.0.0.0/28']);
    for (const id of ['a', 'b']) await call('ADD', id);
    await call('ADD', 'c', { config: { name: 'other' } });
    let open = () => {};
    kernel.gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const adding = call('ADD', 'd');
    const config = { 'cni.dev/valid-attachments': [{ containerID: 'a', ifname: 'eth0' }] };
    const collecting = call('GC', '', { config });
    open();
    expect(await adding).toMatchObject({ exitCode: 0 });
    expect(await collecting).toMatchObject({ exitCode: 0 });
    expect(dispatcher.pods().map((pod) => pod.containerId)).toEqual(['a', 'c', 'd']);
  });

  test('says what it could not remove, and removes the rest', async () => {
    const { call, kernel, dispatcher } = await bench();
    for (const id of ['a', 'b']) await call('ADD', id);
    kernel.failNext.set('unwire', new Error('device busy'));
    const run = await call('GC', '', { config: { 'cni.dev/valid-attachments': [] } });
    expect(run).toMatchObject({ exitCode: 1, output: { code: 102, details: expect.stringContaining('a eth0') } });
    expect(dispatcher.pods().map((pod) => pod.containerId)).toEqual(['a']);
  });

  test('without a list is an error', async () => {
    const { call } = await bench();
    expect(await call('GC', '')).toMatchObject({ output: { code: 7 } });
  });
});

describe('STATUS', () => {
  test('is content with blocks and a store, full or not', async () => {
    const { call } = await bench(['10.0.0.0/32']);
    expect(await call('STATUS', '')).toEqual({ exitCode: 0, output: undefined });
    await call('ADD');
    expect(await call('STATUS', '')).toEqual({ exitCode: 0, output: undefined });
  });

  test('is 50 without blocks, and with a store that cannot be written', async () => {
    const { call, dispatcher, store } = await bench([]);
    expect(await call('STATUS', '')).toMatchObject({
      output: { code: 50, msg: expect.stringContaining('no pod address block') },
    });
    dispatcher.setBlocks([{ prefix: prefix('10.0.0.0/24') }]);
    store.close();
    expect(await call('STATUS', '')).toMatchObject({ output: { code: 50, msg: expect.stringContaining('store') } });
    expect(await call('ADD')).toMatchObject({ output: { code: 5, msg: expect.stringContaining('store') } });
  });

  test('is 50 with a store that cannot be opened, until it can', async () => {
    const clock = new FakeClock();
    let broken = true;
    const dispatcher = new CniDispatcher({
      openStore() {
        if (broken) throw new Error('disk full');
        return new SqliteStore(':memory:');
      },
      wiring: new FakeWiring(),
      clock,
      log: silentLogger,
    });
    dispatcher.setBlocks([{ prefix: prefix('10.0.0.0/24') }]);
    await dispatcher.open();
    const run = async (command: string) => {
      const call = { command, containerId: 'a', ifName: 'eth0', netns: '/run/netns/a', version: '1.1.0' };
      const { stdout } = await dispatcher.handle(rawRequest(call));
      return stdout === '' ? undefined : (JSON.parse(stdout) as unknown);
    };
    expect(await run('STATUS')).toMatchObject({ code: 50, details: expect.stringContaining('disk full') });
    expect(await run('ADD')).toMatchObject({ code: 5 });
    broken = false;
    expect(await run('STATUS')).toMatchObject({ code: 50 });
    clock.advance(1000);
    expect(await run('STATUS')).toBeUndefined();
    expect(await run('ADD')).toMatchObject({ ips: [{ address: '10.0.0.0/32' }] });
  });
});

describe('blocks', () => {
  test('the owner hears of the first and the last pod of a block, and of every pod', async () => {
    const seen: string[] = [];
    const say = (event: string) => (value: Prefix) => void seen.push(`${event} ${formatPrefix(value)}`);
    const handlers = {
      blockUsed: say('used'),
      blockUnused: say('unused'),
      podAdded: (pod: { containerId: string }) => void seen.push(`added ${pod.containerId}`),
      podRemoved: (pod: { containerId: string }) => void seen.push(`removed ${pod.containerId}`),
    };
    const { call } = await bench(['10.0.0.0/30'], { handlers });
    await call('ADD', 'a');
    await call('ADD', 'b');
    await call('DEL', 'a');
    await call('DEL', 'b');
    expect(seen).toEqual(['used 10.0.0.0/30', 'added a', 'added b', 'removed a', 'unused 10.0.0.0/30', 'removed b']);
  });

  test('taken out of the configuration keep their pods', async () => {
    const { call, dispatcher } = await bench(['10.0.0.0/30']);
    await call('ADD', 'a');
    dispatcher.setBlocks([{ prefix: prefix('10.0.1.0/30') }]);
    expect(await call('ADD', 'b')).toMatchObject({ output: { ips: [{ address: '10.0.1.0/32' }] } });
    expect(dispatcher.blocks()).toMatchObject([
      { capacity: 4, used: 1, retired: false },
      { capacity: 4, used: 1, retired: true },
    ]);
    await call('DEL', 'a');
    expect(dispatcher.blocks()).toHaveLength(1);
  });
});

test('pods are shown with their Kubernetes names', async () => {
  const { call, dispatcher } = await bench();
  await call('ADD', 'a', { args: 'K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0' });
  expect(dispatcher.pods()).toMatchObject([
    { containerId: 'a', ifName: 'eth0', podNamespace: 'shop', podName: 'cart-0', state: 'ready', network: 'podroute' },
  ]);
});

test('an error is answered in the version of the request, or in 1.0.0', async () => {
  const { call } = await bench();
  expect(await call('ADD', '..', { version: '0.3.1' })).toMatchObject({ output: { cniVersion: '0.3.1' } });
  expect(await call('ADD', 'a', { version: '9.9.9' })).toMatchObject({ output: { cniVersion: '1.0.0', code: 1 } });
  expect(await call('VERSION', '', { stdin: '{"cniVersion":"0.4.0"}' })).toMatchObject({
    exitCode: 0,
    output: { cniVersion: '0.4.0', supportedVersions: ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] },
  });
});
