import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeReply, encodeReply, encodeRequest, FrameReader, maxFrameOctets } from '../../../cni/frame.ts';

describe('requests', () => {
  test('are read in any cuts', () => {
    const whole = encodeRequest({ CNI_COMMAND: 'ADD', CNI_ARGS: 'IP=10.0.0.1;A=b=c' }, '{"ü":1}');
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: whole.length })), (cuts) => {
        const reader = new FrameReader();
        let at = 0;
        for (const end of [...new Set(cuts)].sort((a, b) => a - b)) {
          const read = reader.push(whole.subarray(at, end));
          at = end;
          if (end < whole.length) expect(read).toBeUndefined();
          else expect(read?.stdin).toBe('{"ü":1}');
        }
        if (at === whole.length) return;
        expect(reader.push(whole.subarray(at))).toEqual({
          environment: new Map([
            ['CNI_COMMAND', 'ADD'],
            ['CNI_ARGS', 'IP=10.0.0.1;A=b=c'],
          ]),
          stdin: '{"ü":1}',
        });
      }),
    );
  });

  test('are refused when too long, followed by more, or cut within the variables', () => {
    const head = Buffer.alloc(4);
    head.writeUInt32BE(maxFrameOctets + 1);
    expect(() => new FrameReader().push(head)).toThrow(/at most/);
    expect(() => new FrameReader().push(Buffer.concat([encodeRequest({}, ''), Buffer.from('x')]))).toThrow(/after/);
    expect(() => new FrameReader().push(Buffer.from([0, 0, 0, 1, 65]))).toThrow(/variables/);
  });
});

test('replies round-trip', () => {
  expect(decodeReply(encodeReply(1, '{"ü":1}'))).toEqual({ exitCode: 1, stdout: '{"ü":1}' });
});
