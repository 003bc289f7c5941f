import { frameType, HEADER_OCTETS, MAX_MESSAGE_OCTETS, nextFrame } from 'bgp-ts';

/** Taken from a socket at a time. */
export const CHUNK_OCTETS = 256 << 10;

/** One buffer for all sessions: what is left of a message moves to its session's own before another one's turn. */
export const inputBuffer = new Uint8Array(CHUNK_OCTETS + MAX_MESSAGE_OCTETS);

/** Who gets the messages of one session. */
export interface InputHandlers {
  /** One message without its header, valid during the call only, in `inputBuffer`. @returns whether to go on */
  message(type: number, start: number, end: number): boolean;
}

/** Cuts what one socket gave into messages. */
export class LoadInput {
  readonly #handlers: InputHandlers;
  readonly #rest = new Uint8Array(MAX_MESSAGE_OCTETS);
  #restOctets = 0;

  constructor(handlers: InputHandlers) {
    this.#handlers = handlers;
  }

  /** Hands over the messages in what was left over and `bytes[start, end)`, no more than a chunk. @returns whether all headers were ones */
  take(bytes: Uint8Array, start: number, end: number): boolean {
    const before = this.#restOctets;
    if (before > 0) inputBuffer.set(this.#rest.subarray(0, before));
    inputBuffer.set(bytes.subarray(start, end), before);
    return this.#split(before + end - start);
  }

  #split(end: number): boolean {
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
