import { AttributeFlag } from '../iana.ts';

/**
 * Walks the path attributes of an UPDATE in place (RFC 4271 §4.3); allocates nothing, so that one serves any number of messages.
 *
 *     cursor.reset(bytes, start, end);
 *     while (cursor.next()) look(cursor.code, cursor.valueStart, cursor.valueEnd);
 *     if (cursor.isMalformed) ...
 */
export class AttributeCursor {
  /** Flags octet as received. */
  flags = 0;
  code = 0;
  /** Offset of the flags octet. */
  start = 0;
  /** Offset of the first octet of the value. */
  valueStart = 0;
  /** Offset behind the value, where the next attribute begins. */
  valueEnd = 0;
  /**
   * Whether `next` returned false because an attribute runs past the end, and not at the end (RFC 7606 §4). `code` and `start` are then
   * those of that attribute, `code` 0 if not even that was there.
   */
  isMalformed = false;
  #bytes: Uint8Array = new Uint8Array(0);
  #end = 0;

  /** Starts over on the octets from `start` up to `end`. */
  reset(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes;
    this.#end = end;
    this.start = start;
    this.valueEnd = start;
    this.isMalformed = false;
  }

  /** Moves to the next attribute; false at the end or at one that runs past it. */
  next(): boolean {
    const b = this.#bytes;
    const at = this.valueEnd;
    const left = this.#end - at;
    if (left <= 0 || this.isMalformed) return false;
    this.start = at;
    this.flags = b[at] as number;
    const isLong = (this.flags & AttributeFlag.ExtendedLength) !== 0;
    if (left < (isLong ? 4 : 3)) {
      this.code = left < 2 ? 0 : (b[at + 1] as number);
      this.isMalformed = true;
      return false;
    }
    this.code = b[at + 1] as number;
    const length = isLong ? ((b[at + 2] as number) << 8) | (b[at + 3] as number) : (b[at + 2] as number);
    this.valueStart = at + (isLong ? 4 : 3);
    if (length > this.#end - this.valueStart) {
      this.isMalformed = true;
      return false;
    }
    this.valueEnd = this.valueStart + length;
    return true;
  }
}
