import type { ErrorReply } from '../../lib/api.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Listing } from './control-surface.ts';

/** Text is handed to the socket in pieces of about this many characters. */
const CHUNK_CHARACTERS = 64 * 1024;

/** Longest work in one turn of the event loop, in milliseconds: keepalives go out in between. */
const SLICE_MS = 2;

/**
 * A listing as lines of JSON: `begin`, one line per entry, `end` with the count. A failure on the way becomes the last line
 * instead of `end`. Works in slices and gives the event loop a turn between them; one chunk is held at a time.
 */
export async function* linesOf(
  listing: Listing<object, object>,
  clock: Clock,
  errorLine: (error: unknown) => ErrorReply,
): AsyncGenerator<string, void, void> {
  let chunk = `${JSON.stringify({ type: 'begin', ...listing.begin })}\n`;
  let count = 0;
  let sliceStart = clock.nowMs();
  try {
    for await (const entry of listing.entries) {
      chunk += `{"type":"route","route":${JSON.stringify(entry)}}\n`;
      count++;
      const isFull = chunk.length >= CHUNK_CHARACTERS;
      if (isFull || clock.nowMs() - sliceStart >= SLICE_MS) {
        if (isFull) {
          yield chunk;
          chunk = '';
        }
        await nextTurn(clock);
        sliceStart = clock.nowMs();
      }
    }
    chunk += `${JSON.stringify({ type: 'end', count })}\n`;
  } catch (error) {
    chunk += `${JSON.stringify(errorLine(error))}\n`;
  }
  yield chunk;
}

function nextTurn(clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    clock.defer(resolve);
  });
}
