import { formatIp, formatPrefix, type IpAddress, ip, type PathAttributes, prefix } from 'bgp-ts';
import { acceptAll } from '../../rib/policy/evaluate.ts';
import { Rib } from '../../rib/rib.ts';
import type { FibSink, MultipathOptions, PathView, RibPeerSettings } from '../../rib/types.ts';
import type { PeerSettings } from '../../speaker/negotiate.ts';
import { type ExportLimit, Speaker, type SpeakerPeerSettings } from '../../speaker/speaker.ts';
import { UpdateOut } from '../../speaker/update-out.ts';
import { WorkLoop } from '../../speaker/work-loop.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeNetwork, type FakeNetworkOptions } from './fake-network.ts';
import { type LogLine, peerSettings, recordingLogger } from './session-lab.ts';

/** What a speaker of the lab is. */
export interface SpeakerOptions {
  readonly asn: number;
  readonly clusterId?: string;
  readonly multipath?: MultipathOptions;
}

/** What one end of a session is, beside the defaults: both families, hold time 9 s, everything accepted in both directions. */
export interface EndOptions {
  readonly session?: Partial<PeerSettings>;
  readonly rib?: Partial<RibPeerSettings>;
  readonly prefixLimitRestartSeconds?: number;
  readonly exportLimit?: ExportLimit;
}

/** A whole speaker: sessions, RIB and update handling as the daemon joins them, and a forwarding table that is a map. */
export class TestSpeaker {
  readonly name: string;
  readonly address: IpAddress;
  readonly asn: number;
  readonly lines: LogLine[] = [];
  readonly rib: Rib;
  readonly speaker: Speaker;
  readonly loop: WorkLoop;
  /** Prefix text -> next hops, as the kernel would have it; what the speaker originates itself is not in it. */
  readonly forwarding = new Map<string, string[]>();
  /** Next hops that cannot be reached. */
  readonly unreachable = new Set<string>();
  /** What the tables are to know of a peer when its session begins, if that is not what was configured. */
  readonly ribSettings = new Map<string, RibPeerSettings>();
  /** Called at the end of every turn of the work loop. */
  onTurn: () => void = () => {};
  readonly #lab: SpeakerLab;

  constructor(lab: SpeakerLab, address: string, options: SpeakerOptions) {
    this.#lab = lab;
    this.name = address;
    this.address = ip(address);
    this.asn = options.asn;
    const { clock } = lab;
    const log = recordingLogger(this.lines);
    this.rib = new Rib(
      {
        localAs: options.asn,
        routerId: this.address,
        ...(options.clusterId === undefined ? {} : { clusterId: ip(options.clusterId) }),
        ...(options.multipath === undefined ? {} : { multipath: options.multipath }),
        nextHops: {
          resolve: (nextHop) => ({ reachable: !this.unreachable.has(formatIp(nextHop)), metric: 0 }),
          describe: (nextHop) => (this.unreachable.has(formatIp(nextHop)) ? 'no route covers it' : 'on the link'),
        },
        nowMs: () => clock.nowMs(),
        ownAddresses: [this.address],
      },
      { workArrived: () => this.loop.wake() },
    );
    const updateOut = new UpdateOut(this.rib);
    const feed = {
      work: () => {
        const left = this.rib.takeSelected(100, this.#sink());
        this.onTurn();
        return left > 0;
      },
    };
    this.loop = new WorkLoop(clock, [this.rib, updateOut, { work: () => this.speaker.work() }, feed]);
    this.speaker = new Speaker({
      clock,
      log,
      transport: lab.network.host(address),
      rib: this.rib,
      updateOut,
      ribSettings: (peer) => this.ribSettings.get(peer),
      wake: () => this.loop.wake(),
    });
    this.speaker.listen([{ address: this.address, port: 179 }]);
  }

  /** Puts a prefix into BGP. */
  originate(text: string, attributes: PathAttributes = {}): void {
    this.rib.originate(prefix(text), attributes, 'network');
    this.loop.wake();
  }

  unoriginate(text: string): void {
    this.rib.unoriginate(prefix(text), 'network');
    this.loop.wake();
  }

  /** The selected path of every prefix. */
  best(): Map<string, PathView> {
    const views = this.rib.routes({ bestOnly: true });
    return new Map([...views].filter(({ best }) => best).map((view) => [formatPrefix(view.prefix), view]));
  }

  /** Every selected path as `PREFIX AS-PATH`, sorted. */
  table(): string[] {
    return [...this.best()].map(([text, view]) => `${text} ${asPathOf(view).join(' ')}`.trim()).sort();
  }

  /** State of the session with another speaker. */
  stateWith(other: TestSpeaker): string | undefined {
    return this.speaker.find(other.name)?.peer.snapshot().state;
  }

  /** Ends without a word, as a machine that lost its power: its connections stay silent. */
  die(): void {
    for (const other of this.#lab.speakers) if (other !== this) this.#lab.cut(this, other);
    this.speaker.close('silent');
    this.loop.close();
  }

  #sink(): FibSink {
    return {
      route: (_family, octets, length, nextHopSet) => {
        const hops = this.rib.nextHopSet(nextHopSet).map(({ address }) => formatIp(address));
        this.forwarding.set(textOf(octets, length), hops.sort());
      },
      remove: (_family, octets, length) => void this.forwarding.delete(textOf(octets, length)),
    };
  }
}

/** Many speakers on one fake network and one fake clock, exchanging real messages. */
export class SpeakerLab {
  readonly clock = new FakeClock();
  readonly network: FakeNetwork;
  readonly speakers: TestSpeaker[] = [];

  constructor(options: FakeNetworkOptions = {}) {
    this.network = new FakeNetwork(this.clock, options);
  }

  /** A speaker at 10.0.0.N, where N counts from 1. */
  speaker(options: SpeakerOptions): TestSpeaker {
    const one = new TestSpeaker(this, `10.0.0.${this.speakers.length + 1}`, options);
    this.speakers.push(one);
    return one;
  }

  /** `count` speakers, each in an AS of its own (65001, 65002 ...) and announcing 10.N.0.0/16 and 2001:db8:N::/48. */
  speakersOfOwnAs(count: number): TestSpeaker[] {
    return Array.from({ length: count }, () => {
      const n = this.speakers.length + 1;
      const one = this.speaker({ asn: 65000 + n });
      one.originate(networkOf(one));
      one.originate(networkOf(one, 6));
      return one;
    });
  }

  /** Configures both ends of a session. */
  connect(a: TestSpeaker, b: TestSpeaker, aOptions: EndOptions = {}, bOptions: EndOptions = {}): void {
    a.speaker.addPeer(endSettings(a, b, aOptions));
    b.speaker.addPeer(endSettings(b, a, bOptions));
  }

  /** Sessions around the circle. */
  ring(speakers: readonly TestSpeaker[]): void {
    for (const [i, one] of speakers.entries()) this.connect(one, speakers[(i + 1) % speakers.length] as TestSpeaker);
  }

  /** Sessions between all. */
  mesh(speakers: readonly TestSpeaker[], options: EndOptions = {}): void {
    for (const [i, one] of speakers.entries()) {
      for (const other of speakers.slice(i + 1)) this.connect(one, other, options, options);
    }
  }

  /** Silence on the way between two speakers. */
  cut(a: TestSpeaker, b: TestSpeaker): void {
    this.network.blackhole(a.name, b.name);
  }

  /** Silence, and TCP notices at once on both sides. */
  break(a: TestSpeaker, b: TestSpeaker): void {
    this.network.reset(a.name, b.name);
    this.cut(a, b);
  }

  heal(a: TestSpeaker, b: TestSpeaker): void {
    this.network.heal(a.name, b.name);
  }

  /** Lets time pass. */
  run(seconds: number): void {
    this.clock.advance(seconds * 1000);
  }
}

/** The network that a speaker of its own AS announces. */
export function networkOf(one: TestSpeaker, version: 4 | 6 = 4): string {
  const n = one.address.octets[3] ?? 0;
  return version === 4 ? `10.${n}.0.0/16` : `2001:db8:${n.toString(16)}::/48`;
}

/** The AS numbers of a path, from the neighbour to the origin. */
export function asPathOf(view: PathView): number[] {
  return (view.attributes.asPath ?? []).flatMap(({ asns }) => [...asns]);
}

/** Settings of the session that `from` has with `to`. */
export function endSettings(from: TestSpeaker, to: TestSpeaker, options: EndOptions = {}): SpeakerPeerSettings {
  const kind = from.asn === to.asn ? 'ibgp' : 'ebgp';
  const { prefixLimitRestartSeconds, exportLimit } = options;
  return {
    session: peerSettings(to.name, {
      localAs: from.asn,
      remoteAs: to.asn,
      kind,
      routerId: from.address,
      holdSeconds: 9,
      ...options.session,
    }),
    rib: {
      name: to.name,
      address: to.address,
      kind,
      localAs: from.asn,
      remoteAs: to.asn,
      importPolicy: acceptAll,
      exportPolicy: acceptAll,
      nextHopSelf: { ipv6: ip(`2001:db8::${from.address.octets[3]}`) },
      ...options.rib,
    },
    ...(prefixLimitRestartSeconds === undefined ? {} : { prefixLimitRestartSeconds }),
    ...(exportLimit === undefined ? {} : { exportLimit }),
  };
}

function textOf(octets: Uint8Array, length: number): string {
  return formatPrefix({ address: { version: octets.length === 4 ? 4 : 6, octets: octets.slice() }, length });
}
