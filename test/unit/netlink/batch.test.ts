import { describe, expect, test } from 'vitest';
import { type BatchPort, NetlinkBatch } from '../../../netlink/batch.ts';
import { NetlinkError } from '../../../netlink/errors.ts';
import { MessageFlag, MessageReader, type NetlinkRequest } from '../../../netlink/message.ts';

/** A kernel that answers when told to: keeps what was sent, in order. */
class FakePort implements BatchPort {
  readonly sends: { sequence: number; wantsAck: boolean }[][] = [];
  answer: (sent: { sequence: number; wantsAck: boolean }[]) => void = () => {};
  isSilent = false;

  send(buffer: Uint8Array, octets: number): void {
    const reader = new MessageReader(buffer, 0, octets);
    const sent: { sequence: number; wantsAck: boolean }[] = [];
    while (reader.next()) {
      sent.push({ sequence: reader.sequence, wantsAck: (reader.flags & MessageFlag.Ack) !== 0 });
    }
    this.sends.push(sent);
  }

  async sendInThread(buffer: Uint8Array, octets: number): Promise<void> {
    const copy = buffer.slice(0, octets);
    await Promise.resolve();
    this.send(copy, octets);
    this.receive();
  }

  receive(): void {
    if (!this.isSilent) this.answer(this.sends.at(-1) ?? []);
  }

  receiveUntil(isDone: () => boolean): void {
    if (!isDone()) throw new NetlinkError({ code: 'timeout', timeoutMs: 1 });
  }
}

const request: NetlinkRequest = { type: 24, flags: 0, write: (writer) => writer.attributeU32(1, 7) };

function batchOf(octets: number): { port: FakePort; batch: NetlinkBatch } {
  const port = new FakePort();
  const batch = new NetlinkBatch(port, octets);
  port.answer = (sent) => {
    for (const { sequence, wantsAck } of sent) if (wantsAck) batch.reply({ sequence, errno: 0 });
  };
  return { port, batch };
}

describe('a batch', () => {
  test('sends when enough is collected, and asks for an answer to the very last message alone', () => {
    const { port, batch } = batchOf(24 * 4);
    for (let i = 0; i < 10; i++) expect(batch.add(request)).toBe(i);
    expect(port.sends.map((sent) => sent.length)).toEqual([4, 4]);
    expect(batch.flush()).toEqual({ sent: 10, errors: [], isOverrun: false });
    expect(port.sends.map((sent) => sent.length)).toEqual([4, 4, 2]);
    expect(port.sends.flat().map(({ wantsAck }) => wantsAck)).toEqual([...new Array<boolean>(9).fill(false), true]);
    const sequences = port.sends.flat().map(({ sequence }) => sequence);
    expect(sequences).toEqual(sequences.map((_, i) => (sequences[0] ?? 0) + i));
    expect(Math.min(...sequences)).toBeGreaterThanOrEqual(0x80000000);
  });

  test('flushed by a thread it does the same, and the next flush starts afresh', async () => {
    const { port, batch } = batchOf(65536);
    const { answer } = port;
    port.answer = (sent) => {
      batch.reply({ sequence: sent[0]?.sequence ?? 0, errno: 19, text: 'none' });
      answer(sent);
    };
    for (let i = 0; i < 3; i++) batch.add(request);
    expect(await batch.flushInThread()).toEqual({
      sent: 3,
      errors: [{ index: 0, problem: { code: 'refused', errno: 19, name: 'ENODEV', text: 'none' } }],
      isOverrun: false,
    });
    port.answer = answer;
    batch.add(request);
    expect(await batch.flushInThread()).toEqual({ sent: 1, errors: [], isOverrun: false });
    expect(batch.flush()).toEqual({ sent: 0, errors: [], isOverrun: false });
    expect(port.sends.map((sent) => sent.map(({ wantsAck }) => wantsAck))).toEqual([[false, false, true], [true]]);
  });

  test('answers that come after a timeout are not taken for those of the next batch', () => {
    const { port, batch } = batchOf(65536);
    port.isSilent = true;
    for (let i = 0; i < 3; i++) batch.add(request);
    expect(() => batch.flush()).toThrow('no answer');
    const late = port.sends[0] ?? [];
    port.isSilent = false;
    port.answer = (sent) => {
      for (const { sequence } of late) batch.reply({ sequence, errno: 3 });
      batch.reply({ sequence: sent[1]?.sequence ?? 0, errno: 17, text: 'there' });
      batch.reply({ sequence: sent[2]?.sequence ?? 0, errno: 0 });
    };
    for (let i = 0; i < 3; i++) batch.add(request);
    expect(batch.flush()).toEqual({
      sent: 3,
      errors: [{ index: 1, problem: { code: 'refused', errno: 17, name: 'EEXIST', text: 'there' } }],
      isOverrun: false,
    });
  });

  test('an overrun ends the wait, and belongs to one flush', () => {
    const { port, batch } = batchOf(65536);
    const { answer } = port;
    port.answer = () => batch.overrun();
    batch.add(request);
    expect(batch.flush()).toEqual({ sent: 1, errors: [], isOverrun: true });
    port.answer = answer;
    batch.overrun();
    batch.add(request);
    expect(batch.flush()).toEqual({ sent: 1, errors: [], isOverrun: false });
  });

  test('a socket that fails takes the batch with it, and the next one works', () => {
    const { port, batch } = batchOf(65536);
    const { send } = port;
    port.send = () => {
      throw new NetlinkError({ code: 'system', errno: 105, name: 'ENOBUFS', syscall: 'send' });
    };
    batch.add(request);
    expect(() => batch.flush()).toThrow('ENOBUFS');
    port.send = send;
    expect(batch.flush()).toEqual({ sent: 0, errors: [], isOverrun: false });
    batch.add(request);
    expect(batch.flush()).toEqual({ sent: 1, errors: [], isOverrun: false });
  });
});
