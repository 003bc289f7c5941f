import { AttributeCode, type IpAddress } from 'bgp-ts';

const CODES = 64;
/** Types of an AS_PATH segment (RFC 4271 §4.3, RFC 5065 §3). */
const Segment = { Set: 1, Sequence: 2, ConfedSequence: 3, ConfedSet: 4 } as const;
const noView = new DataView(new ArrayBuffer(0));

/**
 * Looks into the canonical octets of an attribute set: where each attribute is, and what policies ask about it, without making values of
 * them. All AS numbers have four octets. One reader serves any number of sets, one after the other.
 */
export class AttributeReader {
  /** The octets that positions refer to. */
  view: DataView;
  /** The next hop of the set, undefined for the node itself. */
  nextHop: IpAddress | undefined;
  readonly #at: Int32Array;
  readonly #end: Int32Array;
  /** Which of the sets read so far an entry of the columns above is of. */
  readonly #readingOf: Float64Array;
  #reading: number;
  #pathText: string | undefined;

  constructor() {
    this.view = noView;
    this.nextHop = undefined;
    this.#at = new Int32Array(CODES);
    this.#end = new Int32Array(CODES);
    this.#readingOf = new Float64Array(CODES);
    this.#reading = 0;
    this.#pathText = undefined;
  }

  /** Turns to the set in `view` from `start` to before `end`. */
  open(view: DataView, start: number, end: number, nextHop: IpAddress | undefined): void {
    this.view = view;
    this.nextHop = nextHop;
    this.#pathText = undefined;
    const reading = ++this.#reading;
    let at = start;
    while (at < end) {
      const code = view.getUint8(at + 1);
      let value = at + 3;
      let length = view.getUint8(at + 2);
      if ((view.getUint8(at) & 0x10) !== 0) {
        length = (length << 8) | view.getUint8(at + 3);
        value++;
      }
      at = value + length;
      if (code >= CODES) continue;
      this.#readingOf[code] = reading;
      this.#at[code] = value;
      this.#end[code] = at;
    }
  }

  has(code: number): boolean {
    return this.#readingOf[code] === this.#reading;
  }

  /** Where the value of an attribute begins in {@link view}; where it ends if there is none, see {@link endOf}. */
  startOf(code: number): number {
    return this.has(code) ? this.#at[code]! : 0;
  }

  /** Behind the last octet of the value of an attribute; 0 if there is none. */
  endOf(code: number): number {
    return this.has(code) ? this.#end[code]! : 0;
  }

  /** Length of AS_PATH for the decision process: a set is 1, confederation segments are nothing. */
  asPathLength(): number {
    let length = 0;
    const { view } = this;
    const end = this.endOf(AttributeCode.AsPath);
    for (let at = this.startOf(AttributeCode.AsPath); at < end; at += 2 + view.getUint8(at + 1) * 4) {
      const type = view.getUint8(at);
      if (type === Segment.Sequence) length += view.getUint8(at + 1);
      else if (type === Segment.Set) length++;
    }
    return length;
  }

  /** First AS number of the first segment that is not a confederation's, if that is a sequence; 0: none. */
  neighbourAs(): number {
    const { view } = this;
    const end = this.endOf(AttributeCode.AsPath);
    for (let at = this.startOf(AttributeCode.AsPath); at < end; at += 2 + view.getUint8(at + 1) * 4) {
      const type = view.getUint8(at);
      if (type === Segment.Sequence) return view.getUint32(at + 2);
      if (type === Segment.Set) return 0;
    }
    return 0;
  }

  /** Last AS number of the last segment, if that is a sequence; 0: none. */
  originAs(): number {
    const { view } = this;
    const end = this.endOf(AttributeCode.AsPath);
    let last = 0;
    for (let at = this.startOf(AttributeCode.AsPath); at < end; at += 2 + view.getUint8(at + 1) * 4) {
      const isSequence = view.getUint8(at) === Segment.Sequence;
      last = isSequence ? view.getUint32(at + view.getUint8(at + 1) * 4 - 2) : 0;
    }
    return last;
  }

  /** The AS numbers of the leading sequences begin with `asns`; a set ends the comparison, confederation segments are passed over. */
  asPathStartsWith(asns: readonly number[]): boolean {
    const { view } = this;
    const end = this.endOf(AttributeCode.AsPath);
    let matched = 0;
    let at = this.startOf(AttributeCode.AsPath);
    while (at < end && matched < asns.length) {
      const type = view.getUint8(at);
      const next = at + 2 + view.getUint8(at + 1) * 4;
      if (type === Segment.Set) return false;
      if (type === Segment.Sequence) {
        for (let member = at + 2; member < next && matched < asns.length; member += 4) {
          if (view.getUint32(member) !== asns[matched]) return false;
          matched++;
        }
      }
      at = next;
    }
    return matched === asns.length;
  }

  /** AS_PATH as people write it, `65000 64512 {1,2} (65001)`: made once a set, however many patterns look at it. */
  asPathText(): string {
    this.#pathText ??= this.#formatPath();
    return this.#pathText;
  }

  #formatPath(): string {
    const { view } = this;
    const end = this.endOf(AttributeCode.AsPath);
    let text = '';
    for (let at = this.startOf(AttributeCode.AsPath); at < end; ) {
      const type = view.getUint8(at);
      const next = at + 2 + view.getUint8(at + 1) * 4;
      const isSet = type === Segment.Set || type === Segment.ConfedSet;
      let members = '';
      for (let member = at + 2; member < next; member += 4) {
        if (member > at + 2) members += isSet ? ',' : ' ';
        members += view.getUint32(member);
      }
      if (text !== '') text += ' ';
      if (type === Segment.Sequence) text += members;
      else if (type === Segment.Set) text += `{${members}}`;
      else text += type === Segment.ConfedSequence ? `(${members})` : `[${members}]`;
      at = next;
    }
    return text;
  }
}
