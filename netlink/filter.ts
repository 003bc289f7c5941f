/** Classic BPF for netlink sockets: which notifications to spare the process. */
import { endianness } from 'node:os';
import { hostIsLittle } from './message.ts';

const LOAD_WORD_ABSOLUTE = 0x20;
const JUMP_IF_EQUAL = 0x15;
const RETURN = 0x06;
const PORT_ID_OFFSET = 12;

/**
 * A program that drops what was caused by the sockets with these port ids, for `attachFilter`: 8 octets an instruction.
 * BPF loads words in network byte order, and the port id in the header is in host order, so it compares the swapped value.
 * @throws RangeError for more than 250 ports (a jump reaches 255 instructions)
 */
export function hidePortsProgram(portIds: readonly number[]): Uint8Array {
  if (portIds.length > 250) throw new RangeError(`${portIds.length} ports: at most 250`);
  const count = portIds.length;
  const program = new Uint8Array((count + 3) * 8);
  const view = new DataView(program.buffer);
  const put = (index: number, code: number, jumpTrue: number, operand: number): void => {
    view.setUint16(index * 8, code, hostIsLittle);
    view.setUint8(index * 8 + 2, jumpTrue);
    view.setUint32(index * 8 + 4, operand >>> 0, hostIsLittle);
  };
  put(0, LOAD_WORD_ABSOLUTE, 0, PORT_ID_OFFSET);
  // Equal: jump over the remaining comparisons and the "accept" to the "drop".
  for (const [i, portId] of portIds.entries()) put(i + 1, JUMP_IF_EQUAL, count - i, toNetworkOrder(portId));
  put(count + 1, RETURN, 0, 0xffffffff);
  put(count + 2, RETURN, 0, 0);
  return program;
}

function toNetworkOrder(value: number): number {
  if (endianness() === 'BE') return value >>> 0;
  return (((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;
}
