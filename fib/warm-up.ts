import { NetlinkBatch } from '../netlink/batch.ts';
import { OP_WORDS, RouteOp } from './kernel.ts';
import { RouteBatchWriter } from './route-batch.ts';
import { FIRST_WAY } from './target.ts';

/** Operations of one step, and steps: by then the encoder is compiled (about 15 ms in all, a millisecond or less each). */
const STEP_OPS = 1024;
const STEPS = 64;

/** A whole word of an address, so that the arithmetic is seen with every sign. */
const SPREAD = 0x9e3779b1;

/**
 * Has messages encoded that go to nobody, so that the first table finds the code compiled: a thread that was just started takes
 * about four times as long for its first 100,000 messages.
 * @returns does one step, and tells whether there is another
 */
export function encoderWarmUp(): () => boolean {
  let sequence = 0;
  const batch: NetlinkBatch = new NetlinkBatch({
    send() {},
    sendInThread: () => Promise.resolve(),
    receive() {},
    receiveUntil() {
      batch.reply({ sequence, errno: 0, text: '' }); // in place of the kernel's acknowledgement
    },
  });
  const writer = new RouteBatchWriter(batch);
  const words = new Int32Array(STEP_OPS * OP_WORDS);
  const ops = [RouteOp.Add, RouteOp.Replace, RouteOp.Delete];
  let step = 0;
  return () => {
    const version = step % 4 === 3 ? 6 : 4;
    const op = ops[step % ops.length] ?? RouteOp.Add;
    for (let i = 0; i < STEP_OPS; i++) {
      const at = i * OP_WORDS;
      words[at] = op | (version << 8) | ((16 + (i & 7)) << 16);
      words[at + 1] = i;
      words[at + 2] = FIRST_WAY | 1;
      words[at + 3] = 1024;
      words[at + 4] = Math.imul(i, SPREAD);
    }
    sequence += STEP_OPS;
    writer.apply(words, STEP_OPS, 1, 254);
    return ++step < STEPS;
  };
}
