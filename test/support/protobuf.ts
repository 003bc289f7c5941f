/** A field of a protobuf message as it is on the wire: number and value. Texts and messages are octets alike. */
export type Field = readonly [number: number, value: Value];
/** What a field can hold: a text, octets, a number or boolean (varint), a message, or several of a repeated field. */
export type Value = string | Uint8Array | number | boolean | Message | readonly Value[] | undefined;
/** Field numbers and values of a message. */
export interface Message {
  readonly [field: number]: Value;
}

/** Encodes a message (protobuf encoding specification). Fields that are undefined, empty or zero are left out. */
export function encodeMessage(message: Message): Buffer {
  const parts: Buffer[] = [];
  for (const [number, value] of Object.entries(message)) encodeField(parts, Number(number), value as Value);
  return Buffer.concat(parts);
}

/** A map field's entries. */
export function mapEntries(map: Readonly<Record<string, string>>): Message[] {
  return Object.entries(map).map(([key, value]) => ({ 1: key, 2: value }));
}

function encodeField(parts: Buffer[], number: number, value: Value): void {
  if (value === undefined || value === '' || value === 0 || value === false) return;
  if (Array.isArray(value)) {
    for (const one of value as readonly Value[]) encodeField(parts, number, one);
  } else if (typeof value === 'number' || typeof value === 'boolean') {
    parts.push(varint(number * 8), varint(Number(value)));
  } else {
    const octets =
      typeof value === 'string' ? Buffer.from(value) : isOctets(value) ? value : encodeMessage(value as Message);
    parts.push(varint(number * 8 + 2), varint(octets.length), Buffer.from(octets));
  }
}

function isOctets(value: Value): value is Uint8Array {
  return value instanceof Uint8Array;
}

function varint(value: number): Buffer {
  const octets: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...octets, rest]);
    octets.push((rest % 128) + 128);
  }
}

/** A message that was read: each field's values in the order they came. */
export class ReadMessage {
  readonly #fields = new Map<number, (number | Buffer)[]>();

  /** @throws RangeError when the octets end inside a field */
  constructor(octets: Buffer) {
    let at = 0;
    const readVarint = (): number => {
      let value = 0;
      for (let factor = 1; ; factor *= 128) {
        const octet = octets.readUInt8(at++);
        value += (octet & 0x7f) * factor;
        if (octet < 128) return value;
      }
    };
    while (at < octets.length) {
      const tag = readVarint();
      const wireType = tag % 8;
      let value: number | Buffer;
      if (wireType === 0) value = readVarint();
      else {
        const length = wireType === 2 ? readVarint() : wireType === 1 ? 8 : 4;
        if (at + length > octets.length) throw new RangeError(`field ${tag >> 3} is cut short`);
        value = octets.subarray(at, at + length);
        at += length;
      }
      const number = Math.floor(tag / 8);
      this.#fields.set(number, [...(this.#fields.get(number) ?? []), value]);
    }
  }

  number(field: number): number {
    const value = this.#fields.get(field)?.at(-1);
    return typeof value === 'number' ? value : 0;
  }

  text(field: number): string {
    const value = this.#fields.get(field)?.at(-1);
    return Buffer.isBuffer(value) ? value.toString('utf8') : '';
  }

  message(field: number): ReadMessage {
    return this.messages(field).at(-1) ?? new ReadMessage(Buffer.alloc(0));
  }

  messages(field: number): ReadMessage[] {
    return (this.#fields.get(field) ?? [])
      .filter((value) => Buffer.isBuffer(value))
      .map((value) => new ReadMessage(value));
  }
}
