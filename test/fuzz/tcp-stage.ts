import { readdirSync, readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { ip } from 'bgp-ts';
import { Lab } from '../../deploy/lab/lab.ts';
import { type Podroute, startPodroute } from '../../deploy/lab/podroute.ts';
import { openSocket } from '../support/test-peer.ts';
import { waitFor } from '../support/wait-for.ts';
import { AS, Link, type Stage } from './link.ts';

const PORT = 1790;
const SPEAKER = '10.8.0.1';

/** podrouted in a network namespace, its peers in another: real sockets, real time. Needs root. */
export class TcpStage implements Stage {
  readonly addresses = {
    ebgp: Array.from({ length: 400 }, (_, n) => `10.9.${n >> 7}.${(n & 127) + 10}`),
    ibgp: Array.from({ length: 200 }, (_, n) => `10.9.${4 + (n >> 7)}.${(n & 127) + 10}`),
  };
  readonly observers = ['10.8.0.10', '10.8.0.11'];
  readonly nextHop4 = [10, 8, 0, 2];
  readonly nextHop6 = [0x20, 1, 0xd, 0xb8, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
  readonly daemon: Podroute;
  readonly #lab: Lab;
  readonly #netnsPath: string;

  /** Builds the two hosts, starts the daemon and waits until it listens. */
  static async open(): Promise<TcpStage> {
    const lab = new Lab('fuzz');
    let log = (): string => '';
    try {
      const stage = new TcpStage(lab);
      log = () => stage.daemon.process.log();
      await waitFor('podrouted listens', async () => {
        const link = await stage.connect(stage.observers[0] as string);
        link?.close();
        return link !== undefined;
      });
      return stage;
    } catch (error) {
      if (error instanceof Error) error.message += `\n${log()}`;
      await lab.close();
      throw error;
    }
  }

  private constructor(lab: Lab) {
    this.#lab = lab;
    const speaker = lab.host('speaker');
    const peers = lab.host('peers');
    lab.link(speaker, 'eth0', [`${SPEAKER}/15`, '2001:db8:8::1/64'], peers, 'eth0', [
      '10.8.0.2/15',
      '2001:db8:8::2/64',
    ]);
    // Every address of these prefixes is one of the peers' host.
    for (const prefix of ['10.8.0.8/29', '10.9.0.0/16']) peers.ip(`route add local ${prefix} dev eth0`);
    this.#netnsPath = peers.namespacePath;
    this.daemon = startPodroute(speaker, config());
  }

  async connect(address: string): Promise<Link | undefined> {
    try {
      const options = {
        netnsPath: this.#netnsPath,
        localAddress: ip(address),
        remoteAddress: ip(SPEAKER),
        remotePort: PORT,
      };
      return new TcpLink(openSocket(options));
    } catch {
      return undefined;
    }
  }

  async until(condition: () => boolean, ms = 30_000): Promise<boolean> {
    const end = performance.now() + ms;
    while (!condition()) {
      if (performance.now() > end) return false;
      await delay(1); // not sooner: the daemon wants the processor, too
    }
    return true;
  }

  /** Resident memory of the daemon, MiB. */
  get memoryMiB(): number {
    const status = readFileSync(`/proc/${this.daemon.process.pid}/status`, 'utf8');
    return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024);
  }

  /** Sockets and files the daemon has open. */
  get descriptors(): number {
    return readdirSync(`/proc/${this.daemon.process.pid}/fd`).length;
  }

  /** Connections of the daemon's port that stand or wait for something, as `ss` shows them. */
  get connections(): string[] {
    const filter = ['state', 'connected', 'exclude', 'time-wait', 'sport', '=', `:${PORT}`];
    return this.daemon.host
      .run(['ss', '-Htno', ...filter])
      .trim()
      .split('\n');
  }

  /** Lines of its log that tell of a bug. */
  get bugs(): string[] {
    const lines = this.daemon.process.log().split('\n');
    return lines.filter((line) => line.includes('"level":"error"'));
  }

  async close(): Promise<void> {
    await this.#lab.close();
  }
}

/** A real connection. */
class TcpLink extends Link {
  readonly #socket: Socket;

  constructor(fd: number) {
    super();
    this.#socket = new Socket({ fd, readable: true, writable: true });
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (octets) => this.take(octets));
    this.#socket.on('error', () => {
      this.isClosed = true;
    });
    this.#socket.on('close', () => {
      this.isClosed = true;
    });
  }

  send(octets: Uint8Array): void {
    this.#socket.write(octets);
  }

  close(): void {
    this.isClosed = true;
    this.#socket.destroy();
  }
}

function config(): string {
  const policy = { import: 'accept', export: 'accept' };
  const common = { families: ['ipv4', 'ipv6'], policy, idleHoldTime: '1s' };
  const fuzzed = { ...common, peerLimit: 1000, addPath: { receive: true } };
  const documents = [
    ['BGPConfiguration', 'default', { listenPort: PORT }],
    ['Speaker', 'default', { fib: { enabled: false }, cni: { enabled: false }, log: { level: 'warn' } }],
    ['Node', 'speaker', { asNumber: AS.local, ipv4Address: `${SPEAKER}/15`, ipv6Address: '2001:db8:8::1/64' }],
    ['BGPPeer', 'external', { ...fuzzed, peerPrefixes: ['10.9.0.0/22'], asNumber: AS.fuzzer }],
    ['BGPPeer', 'internal', { ...fuzzed, peerPrefixes: ['10.9.4.0/22'], asNumber: AS.local }],
    [
      'BGPPeer',
      'onlooker0',
      { ...common, peerIP: '10.8.0.10', asNumber: AS.observers[0], passive: true, holdTime: '9s' },
    ],
    [
      'BGPPeer',
      'onlooker1',
      { ...common, peerIP: '10.8.0.11', asNumber: AS.observers[1], passive: true, holdTime: '9s' },
    ],
  ] as const;
  return documents
    .map(([kind, name, spec]) => JSON.stringify({ apiVersion: 'podroute.io/v1', kind, metadata: { name }, spec }))
    .join('\n---\n');
}
