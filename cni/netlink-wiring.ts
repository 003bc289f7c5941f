import { fstatSync, statSync } from 'node:fs';
import { formatIp, type IpAddress } from 'bgp-ts';
import type { Clock } from '../lib/clock.ts';
import { errorMessage } from '../lib/result.ts';
import { close, interfaceIndex, openNetns, withNetns } from '../native/index.ts';
import type { NetlinkBatch } from '../netlink/batch.ts';
import { isRefused, NetlinkError } from '../netlink/errors.ts';
import { addVeth, decodeLink, dumpLinks, getLink, type Link, type LinkName, setLink } from '../netlink/link.ts';
import { addRoute, decodeRoute, dumpRoutes, lookupRoute, RouteTable } from '../netlink/route.ts';
import { NetlinkSocket } from '../netlink/socket.ts';
import { enableForwarding, ensureSysctl, setHostEnd } from './sysctl.ts';
import { Unlinker } from './unlink.ts';
import { verifyPod } from './verify.ts';
import {
  type HostInterface,
  hostIfNamePattern,
  ownerText,
  parseOwner,
  podMac,
  type WiredPod,
  type WireRequest,
  type Wiring,
  WiringError,
} from './wiring.ts';
import { gatewaySteps, hostRoute, isSameDestination, podRouteProtocol, podSteps, type Step } from './wiring-steps.ts';

/**
 * The hardware address of every host end. A fixed one, set by us, is left alone by udev and stays the same for the
 * pod's neighbour table whatever happens to the host end.
 */
const hostMac = Uint8Array.of(0xee, 0xee, 0xee, 0xee, 0xee, 0xee);

const mtuCacheMs = 5_000;
/** Interface kinds that are no uplinks: their MTU says nothing about the way to other nodes. */
const notUplinks = new Set([
  'bridge',
  'dummy',
  'ifb',
  'tun',
  'vxlan',
  'geneve',
  'ipip',
  'sit',
  'ip6tnl',
  'gre',
  'wireguard',
]);

/** Wires pods over rtnetlink. Synchronous but for the deletion of links, which a worker thread waits for. */
export class NetlinkWiring implements Wiring {
  readonly #host: NetlinkSocket;
  readonly #unlinker = new Unlinker();
  readonly #clock: Clock;
  readonly #ownNamespace: string;
  /** What the short-lived sockets in pods receive into. */
  readonly #podBuffer = new Uint8Array(64 * 1024);
  #mtu: { readonly octets: number; readonly atMs: number } | undefined;

  /** Works in the network namespace of the calling thread. @throws SystemError when it may not use netlink */
  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
    this.#host = NetlinkSocket.open({ receiveBufferOctets: 1024 * 1024 });
    const own = statSync('/proc/self/ns/net');
    this.#ownNamespace = `${own.dev}:${own.ino}`;
  }

  async wire(request: WireRequest): Promise<WiredPod> {
    const netnsFd = this.#openNamespace(request.netns);
    try {
      const wired = await this.#makePair(request, netnsFd);
      try {
        this.#setUpPod(request, netnsFd);
        this.#setUpHost(request, interfaceIndex(request.hostIfName), ownerText(request));
        return wired;
      } catch (error) {
        await this.unwire(request.hostIfName);
        throw error;
      }
    } finally {
      close(netnsFd);
    }
  }

  async unwire(hostIfName: string): Promise<void> {
    const link = this.#find(this.#host, { name: hostIfName });
    if (link === undefined) return;
    try {
      await this.#unlinker.unlink(link.index);
    } catch (error) {
      throw refused(`deleting ${hostIfName}`, error);
    }
  }

  async verify(request: WireRequest): Promise<readonly string[]> {
    const problems: string[] = [];
    const host = this.#find(this.#host, { name: request.hostIfName });
    if (host === undefined) return [`host interface ${request.hostIfName} is gone`];
    if (!host.isUp) problems.push(`host interface ${request.hostIfName} is down`);
    for (const address of request.addresses) {
      if (this.#routeTo(address) !== host.index) {
        problems.push(`the node has no route to ${formatIp(address)} over ${request.hostIfName}`);
      }
    }
    let netnsFd: number;
    try {
      netnsFd = this.#openNamespace(request.netns);
    } catch (error) {
      return [...problems, errorMessage(error)];
    }
    const pod = NetlinkSocket.open({ netnsFd, receiveBufferOctets: 256 * 1024, buffer: this.#podBuffer });
    try {
      return [...problems, ...verifyPod(pod, request, host)];
    } finally {
      pod.close();
      close(netnsFd);
    }
  }

  async repairHost(request: Pick<WireRequest, 'hostIfName' | 'addresses'>): Promise<boolean> {
    const host = this.#find(this.#host, { name: request.hostIfName });
    if (host === undefined) return false;
    if (!host.isUp) this.#host.requestSync(setLink({ index: host.index }, { isUp: true }));
    this.#setUpHost(request, host.index);
    return true;
  }

  async hostInterfaces(): Promise<readonly HostInterface[]> {
    const links = this.#host.querySync(dumpLinks(), decodeLink).filter(isHostEnd);
    if (links.length === 0) return [];
    const addresses = new Map<number, IpAddress[]>(links.map((link) => [link.index, []]));
    for (const version of [4, 6] as const) {
      const filter = { version, table: RouteTable.Main, protocol: podRouteProtocol };
      for (const route of this.#host.querySync(dumpRoutes(filter), decodeRoute)) {
        const index = route.nextHops[0]?.interfaceIndex;
        const isHostRoute =
          route.protocol === podRouteProtocol && route.destinationLength === route.destination.length * 8;
        if (isHostRoute && index !== undefined) addresses.get(index)?.push({ version, octets: route.destination });
      }
    }
    return links.map((link) => ({
      name: link.name,
      addresses: addresses.get(link.index) ?? [],
      ...ownerOf(link),
    }));
  }

  prepareHost(families: { readonly ipv4: boolean; readonly ipv6: boolean }): void {
    enableForwarding(families);
  }

  async close(): Promise<void> {
    this.#host.close();
    await this.#unlinker.close();
  }

  /** The caller closes it. @throws WiringError `no-namespace` */
  #openNamespace(netns: string): number {
    let fd: number;
    try {
      fd = openNetns(netns);
    } catch (error) {
      throw new WiringError({ code: 'no-namespace', netns }, `${netns}: ${errorMessage(error)}`, { cause: error });
    }
    const { dev, ino } = fstatSync(fd);
    if (`${dev}:${ino}` !== this.#ownNamespace) return fd;
    close(fd);
    throw new WiringError({ code: 'no-namespace', netns }, `${netns} is the node's own network namespace`);
  }

  /** The pair, the host end up. A leftover of the same name, which can only be of an earlier attempt, goes first. */
  async #makePair(request: WireRequest, netnsFd: number): Promise<WiredPod> {
    const mtu = request.mtu ?? this.#uplinkMtu();
    const address = podMac(request.containerId, request.ifName);
    const wired = { hostMac: formatMac(hostMac), podMac: formatMac(address), mtu };
    const pair = addVeth({
      name: request.hostIfName,
      isUp: true,
      mtu,
      address: hostMac,
      queues: 1,
      peer: { name: request.ifName, netnsFd, mtu, address },
    });
    try {
      this.#host.requestSync(pair);
      return wired;
    } catch (error) {
      if (!isRefused(error, 'EEXIST')) throw refused('making the veth pair', error);
    }
    if (this.#find(this.#host, { name: request.hostIfName }) === undefined) throw interfaceExists(request.ifName);
    await this.unwire(request.hostIfName);
    try {
      this.#host.requestSync(pair);
      return wired;
    } catch (error) {
      if (isRefused(error, 'EEXIST')) throw interfaceExists(request.ifName);
      throw refused('making the veth pair', error);
    }
  }

  #setUpPod(request: WireRequest, netnsFd: number): void {
    const { index, socket } = this.#enterPod(request, netnsFd);
    try {
      perform(socket.batch(4096), podSteps(request, index));
    } finally {
      socket.close();
    }
  }

  /** The index of the pod's end and a socket beside it, both taken in one visit to the namespace. */
  #enterPod(request: WireRequest, netnsFd: number): { readonly index: number; readonly socket: NetlinkSocket } {
    try {
      return withNetns(netnsFd, () => {
        const index = interfaceIndex(request.ifName);
        if (request.addresses.some((address) => address.version === 6)) enableIpv6(request.ifName);
        const socket = NetlinkSocket.open({ receiveBufferOctets: 64 * 1024, buffer: this.#podBuffer });
        return { index, socket };
      });
    } catch (error) {
      throw refused(`entering the pod's namespace for ${request.ifName}`, error);
    }
  }

  /** The host end's switches and addresses, and the routes to the pod. Does nothing where all is in place. */
  #setUpHost(request: Pick<WireRequest, 'hostIfName' | 'addresses'>, index: number, alias?: string): void {
    const families = {
      ipv4: request.addresses.some((address) => address.version === 4),
      ipv6: request.addresses.some((address) => address.version === 6),
    };
    try {
      setHostEnd(request.hostIfName, families);
    } catch (error) {
      throw refused(`setting the sysctls of ${request.hostIfName}`, error);
    }
    const steps = gatewaySteps(families, request.hostIfName, index);
    if (alias !== undefined) {
      steps.push({ what: `describing ${request.hostIfName}`, request: setLink({ index }, { alias }) });
    }
    const routes = request.addresses.map((address) => ({
      what: `adding the route to ${formatIp(address)}`,
      request: addRoute(hostRoute(address, index)),
    }));
    const present = perform(this.#host.batch(), [...steps, ...routes], (step) => routes.includes(step));
    for (const step of present) {
      const address = request.addresses[routes.indexOf(step)];
      if (address !== undefined) this.#replaceHostRoute(address, step.what, index);
    }
  }

  /** A route of ours to the same address is replaced; one of somebody else's is not. */
  #replaceHostRoute(address: IpAddress, what: string, index: number): void {
    const route = hostRoute(address, index);
    const foreign = this.#host
      .querySync(dumpRoutes({ version: address.version, table: RouteTable.Main }), decodeRoute)
      .find((other) => isSameDestination(other, route) && other.protocol !== podRouteProtocol);
    if (foreign !== undefined) {
      throw refused(what, new Error(`a route of protocol ${foreign.protocol} to it is in the way`));
    }
    try {
      this.#host.requestSync(addRoute(route, 'replace'));
    } catch (error) {
      throw refused(what, error);
    }
  }

  /** Index of the interface that a packet to `address` leaves by; undefined when it goes nowhere. */
  #routeTo(address: IpAddress): number | undefined {
    try {
      const [route] = this.#host.querySync(lookupRoute(address.version, address.octets), decodeRoute);
      return route?.nextHops[0]?.interfaceIndex;
    } catch (error) {
      if (error instanceof NetlinkError && error.detail.code === 'refused') return undefined;
      throw error;
    }
  }

  #find(socket: NetlinkSocket, name: LinkName): Link | undefined {
    try {
      return socket.querySync(getLink(name), decodeLink)[0];
    } catch (error) {
      if (isRefused(error, 'ENODEV')) return undefined;
      throw error;
    }
  }

  /** The smallest MTU of the interfaces that may lead to other nodes; 1500 when there is none. */
  #uplinkMtu(): number {
    const nowMs = this.#clock.nowMs();
    if (this.#mtu !== undefined && nowMs - this.#mtu.atMs < mtuCacheMs) return this.#mtu.octets;
    const mtus = this.#host
      .querySync(dumpLinks(), decodeLink)
      .filter((link) => link.isRunning && link.masterIndex === undefined && !isHostEnd(link))
      .filter((link) => link.name !== 'lo' && !notUplinks.has(link.kind ?? ''))
      .map((link) => link.mtu)
      .filter((mtu) => mtu >= 1280);
    const octets = mtus.length === 0 ? 1500 : Math.min(...mtus);
    this.#mtu = { octets, atMs: nowMs };
    return octets;
  }
}

/**
 * Does all steps in one system call.
 * @param mayExist says of which steps EEXIST is no failure
 * @returns the steps whose object was there already, of those that `mayExist`
 * @throws WiringError for the first step that was refused
 */
function perform(batch: NetlinkBatch, steps: readonly Step[], mayExist: (step: Step) => boolean = () => false): Step[] {
  for (const step of steps) batch.add(step.request);
  const { errors, isOverrun } = batch.flush();
  const present: Step[] = [];
  for (const { index, problem } of errors) {
    const step = steps[index];
    if (step !== undefined && problem.name === 'EEXIST' && mayExist(step)) present.push(step);
    else throw refused(step?.what ?? 'a step', new NetlinkError(problem));
  }
  if (isOverrun) throw refused(steps[0]?.what ?? 'a step', new Error('answers of the kernel were lost'));
  return present;
}

/** Some runtimes and hosts start namespaces with IPv6 off. To be called inside the namespace. */
function enableIpv6(ifName: string): void {
  ensureSysctl(`ipv6/conf/${ifName}/disable_ipv6`, '0');
}

function ownerOf(link: Link): Pick<HostInterface, 'owner'> {
  const owner = parseOwner(link.alias);
  return owner === undefined ? {} : { owner };
}

function isHostEnd(link: Link): boolean {
  return link.kind === 'veth' && hostIfNamePattern.test(link.name);
}

function interfaceExists(ifName: string): WiringError {
  return new WiringError({ code: 'interface-exists', ifName }, `${ifName} exists in the pod`);
}

function refused(step: string, cause: unknown): WiringError {
  const errno = cause instanceof NetlinkError && cause.detail.code === 'refused' ? cause.detail.name : '';
  return new WiringError({ code: 'refused', step, errno }, `${step}: ${errorMessage(cause)}`, { cause });
}

function formatMac(octets: Uint8Array): string {
  return Array.from(octets, (octet) => octet.toString(16).padStart(2, '0')).join(':');
}
