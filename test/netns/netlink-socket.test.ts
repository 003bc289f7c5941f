import { readFileSync, readlinkSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import * as native from '../../native/index.ts';
import { isRefused } from '../../netlink/errors.ts';
import { decodeLink, dumpLinks } from '../../netlink/link.ts';
import { MessageType, type NetlinkMessage } from '../../netlink/message.ts';
import { addNextHop, decodeNextHop } from '../../netlink/nexthop.ts';
import {
  addFlags,
  addRoute,
  decodeRoute,
  deleteRoute,
  dumpRoutes,
  type Route,
  RouteType,
  writeRoute,
} from '../../netlink/route.ts';
import { NetlinkGroup, type NetlinkSocketOptions } from '../../netlink/socket.ts';
import { waitFor } from '../support/wait-for.ts';
import { at, linkOf, NetlinkLab, route } from './netlink-lab.ts';

const lab = new NetlinkLab('nls');

describe('network namespaces', () => {
  const here = (): string => readlinkSync('/proc/thread-self/ns/net');

  test('a window into another one, also nested, and also when the function throws', () => {
    const home = here();
    const seen = native.withNetns(lab.node.fd, () => {
      const outer = here();
      const inner = native.withNetns(lab.pod.fd, here);
      expect(here()).toBe(outer);
      return [outer, inner];
    });
    expect(new Set([home, ...seen]).size).toBe(3);
    expect(here()).toBe(home);
    expect(() =>
      native.withNetns(lab.node.fd, () => {
        throw new Error('inside');
      }),
    ).toThrow('inside');
    expect(here()).toBe(home);
    expect(() => native.withNetns(lab.node.fd, async () => 1)).toThrow(TypeError);
    expect(here()).toBe(home);
  });

  test('sysctls and interface names follow the thread', () => {
    expect(native.withNetns(lab.node.fd, () => readFileSync('/proc/sys/net/ipv4/conf/v0/rp_filter', 'utf8'))).toMatch(
      /^\d/,
    );
    expect(native.withNetns(lab.node.fd, () => native.interfaceIndex('v0'))).toBe(linkOf(lab.open(), 'v0').index);
    expect(() => native.interfaceIndex('v0')).toThrow('ENODEV');
  });

  test('a socket is made inside without going there', () => {
    const home = here();
    const fd = native.socket(native.AddressFamily.Inet, native.SocketType.Datagram, 0, lab.node.fd);
    native.bind(fd, native.inetSocketAddress(at('10.0.0.1'), 0));
    native.close(fd);
    expect(here()).toBe(home);
  });

  test('what is no network namespace is refused', () => {
    for (const path of ['/etc/passwd', '/proc/self/ns/mnt', '/dev/null']) {
      expect(() => native.openNetns(path), path).toThrow('EINVAL');
    }
    expect(() => native.openNetns('/run/netns/no-such')).toThrow('ENOENT');
    expect(() => native.withNetns(0, () => 1)).toThrow('EINVAL');
    expect(() => native.socket(2, 1, 0, 99999)).toThrow('EBADF');
  });
});

describe('batches', () => {
  /** A route of its own for each number below 2^20. */
  const numbered = (i: number, rest: Partial<Route>): Route => ({
    ...route('0.0.0.0/24', rest),
    destination: new Uint8Array([20 + (i >>> 16), i >>> 8, i, 0]),
  });

  test('20,000 routes, the refused ones named', () => {
    const socket = lab.open();
    const { index } = linkOf(socket, 'v0');
    const good = [{ gateway: at('10.0.0.2'), interfaceIndex: index }];
    const bad = [{ gateway: at('172.31.0.1') }];
    const batch = socket.batch();
    const wanted: [number, string][] = [];
    const count = 20_000;
    for (let i = 0; i < count; i++) {
      // Every thousandth has a gateway that nobody knows, every 997th is one that was there before.
      const isUnreachable = i % 1000 === 7;
      const isDouble = !isUnreachable && i % 997 === 996 && (i - 1) % 1000 !== 7;
      if (isUnreachable) wanted.push([i, 'ENETUNREACH']);
      if (isDouble) wanted.push([i, 'EEXIST']);
      const writer = batch.begin(MessageType.NewRoute, addFlags('create'));
      writeRoute(writer, numbered(isDouble ? i - 1 : i, { nextHops: isUnreachable ? bad : good }), false);
      expect(batch.end()).toBe(i);
    }
    const result = batch.flush();
    expect(result).toMatchObject({ sent: count, isOverrun: false });
    expect(result.errors.map(({ index: at, problem }) => [at, problem.name])).toEqual(wanted);
    const read = socket.querySync(dumpRoutes({ version: 4, protocol: 177 }), decodeRoute);
    expect(read).toHaveLength(count - wanted.length);
    expect((lab.node.ipJson('route show proto 177') as unknown[]).length).toBe(count - wanted.length);

    // The same batch object again: indexes start at 0, errors of before are forgotten.
    for (const each of read) batch.add(deleteRoute(each));
    batch.add(deleteRoute(numbered(7, {})));
    expect(batch.flush()).toMatchObject({ errors: [{ index: read.length, problem: { name: 'ESRCH' } }] });
    expect(batch.flush()).toEqual({ sent: 0, errors: [], isOverrun: false });
    expect(socket.querySync(dumpRoutes({ version: 4, protocol: 177 }), decodeRoute)).toEqual([]);
  });

  test('only one message, first or last at fault, single requests in between', () => {
    const socket = lab.open();
    const batch = socket.batch();
    batch.add(deleteRoute(route('10.1.0.0/16')));
    expect(batch.flush()).toMatchObject({ sent: 1, errors: [{ index: 0, problem: { name: 'ESRCH' } }] });
    batch.add(addRoute(route('10.1.0.0/16', { type: RouteType.Blackhole })));
    socket.requestSync(addRoute(route('10.2.0.0/16', { type: RouteType.Blackhole })));
    batch.add(addRoute(route('10.2.0.0/16', { type: RouteType.Blackhole })));
    expect(batch.flush()).toMatchObject({ sent: 2, errors: [{ index: 1, problem: { name: 'EEXIST' } }] });
  });

  test('answers that did not fit are no success', () => {
    const socket = lab.open({ receiveBufferOctets: 2048 });
    const batch = socket.batch();
    for (let i = 0; i < 1000; i++) batch.add(deleteRoute(numbered(i, {})));
    expect(batch.flush().isOverrun).toBe(true);
    batch.add(addRoute(numbered(1, { type: RouteType.Blackhole })));
    expect(batch.flush()).toEqual({ sent: 1, errors: [], isOverrun: false });
  });

  test('a closure that throws leaves the batch as it was', () => {
    const batch = lab.open().batch();
    batch.add(addRoute(route('10.1.0.0/16', { type: RouteType.Blackhole })));
    const broken = { ...addRoute(route('10.2.0.0/16')), write: () => expect.fail('broken') };
    expect(() => batch.add(broken)).toThrow('broken');
    batch.add(addRoute(route('10.3.0.0/16', { type: RouteType.Blackhole })));
    expect(batch.flush()).toEqual({ sent: 2, errors: [], isOverrun: false });
    expect((lab.node.ipJson('route show proto 177') as unknown[]).length).toBe(2);
  });
});

describe('asynchronous forms', () => {
  test('many at once, a synchronous listing among them', async () => {
    const socket = lab.open();
    const adds = Array.from({ length: 300 }, (_, i) =>
      socket.request(addRoute(route(`30.${i >> 8}.${i & 255}.0/24`, { type: RouteType.Blackhole }))),
    );
    const again = socket.request(addRoute(route('30.0.0.0/24', { type: RouteType.Blackhole })));
    await expect(again).rejects.toSatisfy((error) => isRefused(error, 'EEXIST'));
    await Promise.all(adds);
    // Enough for several turns of the event loop.
    const batch = socket.batch();
    for (let i = 300; i < 9000; i++) {
      batch.add(addRoute(route(`30.${i >> 8}.${i & 255}.0/24`, { type: RouteType.Blackhole })));
    }
    expect(batch.flush().errors).toEqual([]);
    const lists = [1, 2, 3].map(() => socket.query(dumpRoutes({ version: 4, protocol: 177 }), decodeRoute));
    // The first of them is on its way now.
    await Promise.resolve();
    expect(socket.querySync(dumpRoutes({ version: 4, protocol: 177 }), decodeRoute)).toHaveLength(9000);
    for (const list of await Promise.all(lists)) expect(list).toHaveLength(9000);
  });

  test('what decode throws goes to who asked', async () => {
    const socket = lab.open();
    const decode = () => {
      throw new Error('from decode');
    };
    await expect(socket.query(dumpLinks(), decode)).rejects.toThrow('from decode');
    expect(() => socket.querySync(dumpLinks(), decode)).toThrow('from decode');
    expect((await socket.query(dumpLinks(), decodeLink)).length).toBeGreaterThan(2);
  });

  test('close ends what is on its way', async () => {
    const socket = lab.open();
    const batch = socket.batch();
    for (let i = 0; i < 30_000; i++)
      batch.add(addRoute(route(`30.${i >> 8}.${i & 255}.0/24`, { type: RouteType.Blackhole })));
    expect(batch.flush().errors).toHaveLength(0);
    const listing = socket.query(dumpRoutes({ version: 4, protocol: 177 }), decodeRoute);
    const ended = expect(listing).rejects.toMatchObject({ detail: { code: 'closed' } });
    await Promise.resolve();
    socket.close();
    socket.close();
    await ended;
    await expect(socket.request(dumpLinks())).rejects.toMatchObject({ detail: { code: 'closed' } });
  });

  test('a worker thread works in a namespace that it was given', async () => {
    const code = `
      import { workerData, parentPort } from 'node:worker_threads';
      const { NetlinkSocket } = await import(workerData.base + 'socket.ts');
      const { dumpLinks, decodeLink } = await import(workerData.base + 'link.ts');
      const socket = NetlinkSocket.open({ netnsFd: workerData.netnsFd });
      const links = await socket.query(dumpLinks(), decodeLink);
      parentPort.postMessage(links.map((link) => link.name).sort());
      socket.close();`;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
      workerData: { base: new URL('../../netlink/', import.meta.url).href, netnsFd: lab.node.fd },
    });
    // Both at once: a worker that ends at once hands over its last message and is gone in the same turn.
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    const names = await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    expect(names).toEqual(['lo', 'v0', 'v1']);
    await ended;
  });
});

describe('notifications', () => {
  function listen(groups: number[], options: NetlinkSocketOptions = {}) {
    const heard: string[] = [];
    const counts = { notifications: 0, overruns: 0 };
    const names: Record<number, string> = {
      16: 'link+',
      17: 'link-',
      24: 'route+',
      25: 'route-',
      104: 'nexthop+',
      105: 'nexthop-',
    };
    const describeMessage = (message: NetlinkMessage): string => {
      const name = names[message.type] ?? `${message.type}`;
      if (message.type === MessageType.NewRoute || message.type === MessageType.DelRoute) {
        const read = decodeRoute(message);
        return `${name} ${read?.destination.join('.')}/${read?.destinationLength}`;
      }
      if (message.type >> 2 === 4) return `${name} ${decodeLink(message)?.name}`;
      return `${name} ${decodeNextHop(message)?.id}`;
    };
    const socket = lab.open({
      groups,
      handlers: {
        notification(message) {
          counts.notifications++;
          if (heard.length < 100) heard.push(describeMessage(message));
        },
        overrun: () => void counts.overruns++,
      },
      ...options,
    });
    return { socket, heard, counts };
  }

  test('of routes, links and nexthop objects, whoever made them; ours hidden when wished', async () => {
    const { socket, heard } = listen([NetlinkGroup.Ipv4Route, NetlinkGroup.Link, NetlinkGroup.NextHop]);
    const writer = lab.open();
    const { index } = linkOf(writer, 'v0');
    lab.node.ip('route add 10.1.0.0/16 via 10.0.0.2 proto 177');
    writer.requestSync(addNextHop({ type: 'single', id: 9, protocol: 177, version: 4, interfaceIndex: index }));
    writer.requestSync(deleteRoute(route('10.1.0.0/16')));
    await waitFor('three', () => heard.length >= 3);
    expect(heard).toEqual(['route+ 10.1.0.0/16', 'nexthop+ 9', 'route- 10.1.0.0/16']);

    socket.hidePorts([12345, writer.portId]);
    heard.length = 0;
    writer.requestSync(addRoute(route('10.2.0.0/16', { nextHops: [{ interfaceIndex: index }] })));
    lab.node.ip('route add 10.3.0.0/16 via 10.0.0.2 proto 177');
    lab.node.ip('link set v0 mtu 1400');
    await waitFor('the link', () => heard.includes('link+ v0'));
    expect(heard).not.toContain('route+ 10.2.0.0/16');
    expect(heard).toContain('route+ 10.3.0.0/16');
    // Its own requests and listings still work.
    expect(socket.querySync(dumpLinks(), decodeLink).length).toBe(3);
    expect((await socket.query(dumpRoutes({ version: 4, protocol: 177 }), decodeRoute)).length).toBe(2);
  });

  test('of one type alone, when asked', async () => {
    const { socket, heard } = listen([NetlinkGroup.Ipv4Route]);
    socket.hearOnly(MessageType.DelRoute);
    lab.node.ip('route add 10.4.0.0/16 via 10.0.0.2 proto 177');
    lab.node.ip('route delete 10.4.0.0/16');
    await waitFor('the removal', () => heard.length > 0);
    expect(heard).toEqual(['route- 10.4.0.0/16']);
  });

  test('a batch that a thread sends is done when it says so, with its errors', async () => {
    const socket = lab.open();
    const { index } = linkOf(socket, 'v0');
    const batch = socket.batch();
    batch.add(addRoute(route('10.5.0.0/16', { nextHops: [{ interfaceIndex: index }] })));
    batch.add(addRoute(route('10.5.0.0/16', { nextHops: [{ interfaceIndex: index }] })));
    batch.add(addRoute(route('10.6.0.0/16', { nextHops: [{ interfaceIndex: index }] })));
    const result = await batch.flushInThread();
    expect(result).toMatchObject({ sent: 3, errors: [{ index: 1, problem: { name: 'EEXIST' } }], isOverrun: false });
    expect(lab.node.ip('route show proto 177').match(/10\.[56]\.0\.0\/16/g)).toEqual(['10.5.0.0/16', '10.6.0.0/16']);
    for (const text of ['10.5.0.0/16', '10.6.0.0/16']) socket.requestSync(deleteRoute(route(text)));
  });

  test('an overrun is told once, after what had arrived, and then it goes on', async () => {
    const { socket, heard, counts } = listen([NetlinkGroup.Ipv4Route], { receiveBufferOctets: 64 * 1024 });
    const batch = lab.open().batch();
    const count = 5000;
    for (let i = 0; i < count; i++)
      batch.add(addRoute(route(`30.${i >> 8}.${i & 255}.0/24`, { type: RouteType.Blackhole })));
    expect(batch.flush().errors).toEqual([]);
    await waitFor('the overrun', () => counts.overruns === 1);
    expect(counts.notifications).toBeGreaterThan(10);
    expect(counts.notifications).toBeLessThan(count);
    expect(await socket.query(dumpRoutes({ version: 4, protocol: 177 }), decodeRoute)).toHaveLength(count);
    heard.length = 0;
    lab.node.ip('route add 10.200.0.0/16 via 10.0.0.2 proto 177');
    await waitFor('news after the overrun', () => heard.includes('route+ 10.200.0.0/16'));
    expect(counts.overruns).toBe(1);
  });

  test('a handler may ask on the same socket', async () => {
    const seen: number[] = [];
    const socket = lab.open({
      groups: [NetlinkGroup.Ipv4Route],
      handlers: {
        notification: (message) => {
          if (message.type === MessageType.NewRoute) seen.push(socket.querySync(dumpLinks(), decodeLink).length);
        },
        overrun: () => expect.fail('overrun'),
      },
    });
    const writer = lab.open();
    for (let i = 0; i < 20; i++) writer.requestSync(addRoute(route(`10.1.${i}.0/24`, { type: RouteType.Blackhole })));
    await waitFor('twenty answers', () => seen.length === 20);
    expect(new Set(seen)).toEqual(new Set([3]));
  });

  test('without anybody to wait for, the process ends', () => {
    const base = new URL('../../netlink/', import.meta.url).href;
    const code = `
      const { NetlinkSocket } = await import('${base}socket.ts');
      const { dumpLinks, decodeLink } = await import('${base}link.ts');
      const socket = NetlinkSocket.open();
      console.log((await socket.query(dumpLinks(), decodeLink)).length > 0);`;
    expect(lab.node.run(process.execPath, '--input-type=module', '-e', code)).toBe('true\n');
  });
});
