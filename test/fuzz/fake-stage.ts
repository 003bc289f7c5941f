import { ip } from 'bgp-ts';
import { acceptAll } from '../../rib/policy/evaluate.ts';
import { peerSettings } from '../support/session-lab.ts';
import { SpeakerLab, type TestSpeaker } from '../support/speaker-lab.ts';
import { AS, Link, type Stage } from './link.ts';

const PEERS = 40;
const STEP_MS = 20;

/** A whole speaker on a fake network and a fake clock: no time passes but what `until` lets pass. */
export class FakeStage implements Stage {
  readonly addresses = {
    ebgp: Array.from({ length: PEERS }, (_, n) => `10.9.0.${n + 10}`),
    ibgp: Array.from({ length: PEERS }, (_, n) => `10.9.4.${n + 10}`),
  };
  readonly observers = ['10.8.0.10', '10.8.0.11'];
  readonly nextHop4 = [10, 8, 0, 2];
  readonly nextHop6 = [0x20, 1, 0xd, 0xb8, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
  readonly speaker: TestSpeaker;
  /** Called once a second of the fake clock. */
  onSecond: () => void = () => {};
  readonly #lab = new SpeakerLab({ latencyMs: 1, maxSegment: 1460 });
  #untilSecond = 0;

  constructor() {
    this.speaker = this.#lab.speaker({ asn: AS.local });
    for (const address of this.addresses.ebgp) this.#peer(address, AS.fuzzer);
    for (const address of this.addresses.ibgp) this.#peer(address, AS.local);
    for (const [n, address] of this.observers.entries()) this.#peer(address, AS.observers[n] as number);
  }

  /** Connections that stand. */
  get connections(): number {
    return this.#lab.network.open.length;
  }

  async connect(address: string): Promise<Link | undefined> {
    const link = new FakeLink();
    const connection = this.#lab.network.host(address).connect(
      { remoteAddress: this.speaker.address, remotePort: 179, timeoutMs: 1000 },
      {
        connected: () => {
          link.isConnected = true;
        },
        received: (bytes, start, end) => {
          link.receive(bytes.slice(start, end));
          return end - start;
        },
        drained: () => {},
        closed: () => {
          link.isClosed = true;
        },
      },
    );
    link.write = (octets) => void connection.write(octets);
    link.end = () => connection.destroy();
    await this.until(() => link.isConnected || link.isClosed);
    return link.isClosed ? undefined : link;
  }

  async until(condition: () => boolean, ms = 3000): Promise<boolean> {
    for (let passed = 0; passed <= ms; passed += STEP_MS) {
      if (condition()) return true;
      this.#lab.clock.advance(STEP_MS);
      this.#untilSecond -= STEP_MS;
      if (this.#untilSecond <= 0) {
        this.#untilSecond = 1000;
        this.onSecond();
      }
    }
    return condition();
  }

  /** Forgets connections that are over: the network keeps all it ever had. */
  forget(): void {
    const { connections } = this.#lab.network;
    const open = connections.filter((connection) => connection.isOpen);
    connections.splice(0, connections.length, ...open);
  }

  /** Problems that a daemon would log as errors. */
  get bugs(): string[] {
    return this.speaker.lines.filter(({ level }) => level === 'error').map((line) => JSON.stringify(line));
  }

  #peer(address: string, asn: number): void {
    const kind = asn === AS.local ? 'ibgp' : 'ebgp';
    const families = ['ipv4-unicast', 'ipv6-unicast'] as const;
    this.speaker.speaker.addPeer({
      session: peerSettings(address, {
        localAs: AS.local,
        remoteAs: asn,
        kind,
        routerId: this.speaker.address,
        passive: true,
        idleHoldSeconds: 1,
        addPath: families.map((family) => ({ family, send: false, receive: true })),
      }),
      rib: {
        name: address,
        address: ip(address),
        kind,
        localAs: AS.local,
        remoteAs: asn,
        importPolicy: acceptAll,
        exportPolicy: acceptAll,
        nextHopSelf: { ipv6: ip('2001:db8:8::1') },
      },
    });
  }
}

/** A connection of the fake network. */
class FakeLink extends Link {
  isConnected = false;
  write: (octets: Uint8Array) => void = () => {};
  end: () => void = () => {};

  receive(octets: Uint8Array): void {
    this.take(octets);
  }

  send(octets: Uint8Array): void {
    this.write(octets);
  }

  close(): void {
    if (!this.isClosed) this.end();
    this.isClosed = true;
  }
}
