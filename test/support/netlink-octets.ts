import { MessageReader, type NetlinkMessage } from '../../netlink/message.ts';

/** Octets of a hex string. */
export function hexOctets(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'));
}

/** The first message in `octets`, which must have one. */
export function firstMessage(octets: Uint8Array): NetlinkMessage {
  const reader = new MessageReader(octets);
  if (!reader.next()) throw new Error('no message');
  return reader;
}

/** What `decode` makes of every message of this type in `octets`; `undefined` is left out. */
export function decodeAll<T>(
  octets: Uint8Array,
  type: number,
  decode: (message: NetlinkMessage) => T | undefined,
): T[] {
  const reader = new MessageReader(octets);
  const values: T[] = [];
  while (reader.next()) {
    const value = reader.type === type ? decode(reader) : undefined;
    if (value !== undefined) values.push(value);
  }
  return values;
}
