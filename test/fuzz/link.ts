import { nextFrame } from 'bgp-ts';

/** A message that came: its body is what follows the header. */
export interface Heard {
  readonly type: number;
  readonly body: Uint8Array;
}

/** One connection to the speaker under test. Octets in, messages out; no session behind it. */
export abstract class Link {
  /** Everything that came, in order. */
  readonly heard: Heard[] = [];
  isClosed = false;
  /** Called with every message, after it was put down in `heard`. */
  onMessage: (message: Heard) => void = () => {};
  #rest: Uint8Array = new Uint8Array(0);

  abstract send(octets: Uint8Array): void;
  /** Ends the connection without a word. */
  abstract close(): void;

  /** The NOTIFICATION that came, if one did. */
  get notification(): Heard | undefined {
    return this.heard.find(({ type }) => type === 3);
  }

  protected take(octets: Uint8Array): void {
    let stream = Uint8Array.from([...this.#rest, ...octets]);
    for (;;) {
      const length = nextFrame(stream, 0, stream.length, 65535);
      if (length < 0) throw new Error('the speaker under test sent a header that is none');
      if (length === 0) break;
      const message = { type: stream[18] as number, body: stream.slice(19, length) };
      this.heard.push(message);
      this.onMessage(message);
      stream = stream.slice(length);
    }
    this.#rest = stream;
  }
}

/** Where a speaker under test can be reached, and time passes. */
export interface Stage {
  /** Connects from an address; undefined if that is refused. */
  connect(address: string): Promise<Link | undefined>;
  /** Lets time pass until `condition` holds; false if it does not within `ms`. */
  until(condition: () => boolean, ms?: number): Promise<boolean>;
  /** Addresses that peers may call from, per kind of session. */
  readonly addresses: Readonly<Record<'ebgp' | 'ibgp', readonly string[]>>;
  readonly observers: readonly string[];
  /** Next hops that the speaker can reach. */
  readonly nextHop4: readonly number[];
  readonly nextHop6: readonly number[];
}

/** AS numbers of everybody on a stage. */
export const AS = { local: 64512, fuzzer: 64600, observers: [64800, 64801] } as const;
