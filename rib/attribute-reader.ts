import { AttributeCode, type IpAddress } from 'bgp-ts';

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
  #start: number;
  #end: number;
  /** The attribute asked for last: its type code, and where its value begins and ends. */
  #code: number;
  #from: number;
  #to: number;
  #pathText: string | undefined;

  constructor() {
    this.view = noView;
    this.nextHop = undefined;
    this.#start = 0;
    this.#end = 0;
    this.#code = 0;
    this.#from = 0;
    this.#to = 0;
    this.#pathText = undefined;
  }

  /** Turns to the set in `view` from `start` to before `end`. */
  open(view: DataView, start: number, end: number, nextHop: IpAddress | undefined): void {
    this.view = view;
    this.nextHop = nextHop;
    this.#start = start;
    this.#end = end;
    this.#code = 0;
    this.#pathText = undefined;
  }

  has(code: number): boolean {
    return this.endOf(code) !== 0;
  }

  /** Where the value of an attribute begins in {@link view}; 0 if there is none. */
  startOf(code: number): number {
    if (this.#code !== code) this.#find(code);
    return this.#from;
  }

  /** Behind the last octet of the value of an attribute; 0 if there is none. */
  endOf(code: number): number {
    if (this.#code !== code) this.#find(code);
    return this.#to;
  }

  /** Attributes stand in order of their type codes: what is behind the one that is wanted is not even looked at. */
  #find(wanted: number): void {
    const { view } = this;
    const end = this.#end;
    this.#code = wanted;
    this.#from = 0;
    this.#to = 0;
    for (let at = this.#start; at < end; ) {
      const code = view.getUint8(at + 1);
      if (code > wanted) return;
      const isLong = (view.getUint8(at) & 0x10) !== 0;
      const value = isLong ? at + 4 : at + 3;
      at = value + (isLong ? view.getUint16(at + 2) : view.getUint8(at + 2));
      if (code === wanted) {
        this.#from = value;
        this.#to = at;
        return;
      }
    }
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
