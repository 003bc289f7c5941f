/** Classic BPF for netlink sockets: which notifications to spare the process. */
import { endianness } from 'node:os';
import { hostIsLittle } from './message.ts';

const LOAD_WORD_ABSOLUTE = 0x20;
const LOAD_HALF_ABSOLUTE = 0x28;
const JUMP_IF_EQUAL = 0x15;
const RETURN = 0x06;
const TYPE_OFFSET = 4;
const PORT_ID_OFFSET = 12;

/**
 * A program that drops what was caused by the sockets with these port ids, for `attachFilter`: 8 octets an instruction.
 * BPF loads words in network byte order, and the port id in the header is in host order, so it compares the swapped value.
 * @throws RangeError for more than 250 ports (a jump reaches 255 instructions)
 */
export function hidePortsProgram(portIds: readonly number[]): Uint8Array {
  if (portIds.length > 250) throw new RangeError(`${portIds.length} ports: at most 250`);
  const count = portIds.length;
  return program([
    [LOAD_WORD_ABSOLUTE, 0, PORT_ID_OFFSET],
    // Equal: jump over the remaining comparisons and the "accept" to the "drop".
    ...portIds.map((portId, i) => [JUMP_IF_EQUAL, count - i, toNetworkOrder(portId)] as const),
    [RETURN, 0, 0xffffffff],
    [RETURN, 0, 0],
  ]);
}

/** A program that lets through messages of one type (`MessageType`) and nothing else, for `attachFilter`. */
export function onlyTypeProgram(type: number): Uint8Array {
  return program([
    [LOAD_HALF_ABSOLUTE, 0, TYPE_OFFSET],
    [JUMP_IF_EQUAL, 1, toNetworkOrder(type) >>> (endianness() === 'BE' ? 0 : 16)],
    [RETURN, 0, 0],
    [RETURN, 0, 0xffffffff],
  ]);
}

/** Instructions (code, how many to skip if true, operand) in the kernel's form. */
function program(instructions: readonly (readonly [code: number, jumpTrue: number, operand: number])[]): Uint8Array {
  const octets = new Uint8Array(instructions.length * 8);
  const view = new DataView(octets.buffer);
  for (const [index, [code, jumpTrue, operand]] of instructions.entries()) {
    view.setUint16(index * 8, code, hostIsLittle);
    view.setUint8(index * 8 + 2, jumpTrue);
    view.setUint32(index * 8 + 4, operand >>> 0, hostIsLittle);
  }
  return octets;
}

function toNetworkOrder(value: number): number {
  if (endianness() === 'BE') return value >>> 0;
  return (((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;
}
