import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { NetlinkError } from '../../netlink/errors.ts';
import { decodeLink, getLink, type Link } from '../../netlink/link.ts';
import type { Route } from '../../netlink/route.ts';
import { NetlinkSocket, type NetlinkSocketOptions } from '../../netlink/socket.ts';
import { type TestNamespace, TestNamespaces } from '../support/namespaces.ts';

/**
 * Two network namespaces for the tests of one file. Every test has v0 (10.0.0.1/24, fd00::1/64) and v1 wired to each other in `node`, and nothing
 * of the test before.
 */
export class NetlinkLab {
  readonly #namespaces: TestNamespaces;
  readonly #sockets: NetlinkSocket[] = [];
  #node: TestNamespace | undefined;
  #pod: TestNamespace | undefined;

  /** At the top of a test file: its hooks make and remove everything. @param label what the namespaces are named after */
  constructor(label: string) {
    this.#namespaces = new TestNamespaces(label);
    beforeAll(() => {
      this.#node = this.#namespaces.create('node');
      this.#pod = this.#namespaces.create('pod');
      for (const { ip } of [this.#node, this.#pod]) ip('link set lo up');
    });
    beforeEach(() => this.#wire());
    afterEach(() => this.#clear());
    afterAll(() => this.#namespaces.removeAll());
  }

  get node(): TestNamespace {
    return made(this.#node);
  }

  get pod(): TestNamespace {
    return made(this.#pod);
  }

  /** A socket in `node`, unless told otherwise; the end of the test closes it. */
  open(options: NetlinkSocketOptions = {}): NetlinkSocket {
    const socket = NetlinkSocket.open({ netnsFd: this.node.fd, ...options });
    this.#sockets.push(socket);
    return socket;
  }

  #wire(): void {
    const { ip } = this.node;
    ip('link add v0 type veth peer name v1');
    ip('link set v0 up');
    ip('link set v1 up');
    ip('address add 10.0.0.1/24 dev v0');
    ip('address add fd00::1/64 dev v0 nodad');
  }

  #clear(): void {
    for (const socket of this.#sockets.splice(0)) socket.close();
    const { ip } = this.node;
    ip('route flush table all proto 177');
    ip('-6 route flush table all proto 177');
    ip('nexthop flush');
    ip('link del v0');
  }
}

function made(namespace: TestNamespace | undefined): TestNamespace {
  if (namespace === undefined) throw new Error('namespaces are there from the first hook on');
  return namespace;
}

/** Octets of an address, written as people do (IPv6 only with one `::`). */
export function at(text: string): Uint8Array {
  if (!text.includes(':')) return new Uint8Array(text.split('.').map(Number));
  const [head = '', tail = ''] = text.split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const middle = new Array<number>(8 - groups(head).length - groups(tail).length).fill(0);
  return new Uint8Array([...groups(head), ...middle, ...groups(tail)].flatMap((group) => [group >> 8, group & 0xff]));
}

/** The link of that name. @throws Error when there is none */
export function linkOf(socket: NetlinkSocket, name: string): Link {
  const [link] = socket.querySync(getLink({ name }), decodeLink);
  if (link === undefined) throw new Error(`no link ${name}`);
  return link;
}

/** A route with protocol 177 in the main table. */
export function route(prefix: string, rest: Partial<Route> = {}): Route {
  const [address = '', length] = prefix.split('/');
  return {
    version: prefix.includes(':') ? 6 : 4,
    destination: at(address),
    destinationLength: Number(length),
    table: 254,
    protocol: 177,
    nextHops: [],
    ...rest,
  };
}

/** What `fn` was refused with, or `done`. */
export function refused(fn: () => void): unknown {
  try {
    fn();
  } catch (error) {
    if (error instanceof NetlinkError) return error.detail;
    throw error;
  }
  return 'done';
}
