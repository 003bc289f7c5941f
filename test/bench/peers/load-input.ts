import { frameType, HEADER_OCTETS, MAX_MESSAGE_OCTETS, nextFrame } from 'bgp-ts';

/** Taken from a socket at a time. */
const CHUNK_OCTETS = 256 << 10;

/** One buffer for all sessions: what is left of a message moves to its session's own before another one reads. */
export const inputBuffer = new Uint8Array(CHUNK_OCTETS + MAX_MESSAGE_OCTETS);

/** Who gets the messages of one session. */
export interface InputHandlers {
  /** One message without its header, valid during the call only, in `inputBuffer`. @returns whether to go on */
  message(type: number, start: number, end: number): boolean;
}

/** Cuts what one socket gave into messages, in place. Use: octets go to `inputBuffer` from `begin()` on, then `finish`. */
export class LoadInput {
  readonly #handlers: InputHandlers;
  readonly #rest = new Uint8Array(MAX_MESSAGE_OCTETS);
  #restOctets = 0;

  constructor(handlers: InputHandlers) {
    this.#handlers = handlers;
  }

  /** Puts what is left of a message at the start of the buffer. @returns where to go on */
  begin(): number {
    const octets = this.#restOctets;
    if (octets > 0) inputBuffer.set(this.#rest.subarray(0, octets));
    return octets;
  }

  /** Hands over the messages in `inputBuffer` up to `end`. @returns whether all headers were ones */
  finish(end: number): boolean {
    let at = 0;
    while (true) {
      const length = nextFrame(inputBuffer, at, end, MAX_MESSAGE_OCTETS);
      if (length === 0) break;
      if (length < 0) return false;
      if (!this.#handlers.message(frameType(inputBuffer, at), at + HEADER_OCTETS, at + length)) return true;
      at += length;
    }
    this.#restOctets = end - at;
    if (end > at) this.#rest.set(inputBuffer.subarray(at, end));
    return true;
  }
}
