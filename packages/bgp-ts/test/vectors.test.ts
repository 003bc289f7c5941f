import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  attributeName,
  type BgpMessage,
  decodeMessage,
  decodeUpdate,
  encodeMessage,
  err,
  HEADER_OCTETS,
  MAX_EXTENDED_MESSAGE_OCTETS,
  type Notification,
  type Result,
  type SessionContext,
  splitFrames,
  UpdateScan,
} from '../src/index.ts';
import { expectAgreement } from './support/agreement.ts';
import { judgements } from './support/judgements.ts';
import { type Expected, describe as meaning, type Vector, vectorContext } from './support/vector.ts';

const rows = readFileSync(new URL('./vectors/messages.jsonl', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Vector);

/** Fields of `expect` that repeat others in another form. */
const derived = ['as', 'mp', 'as4', 'route_refresh', 'gr', 'extended_message', 'enhanced_refresh', 'hostname', 'eor'];

test('every judgement is about a row', () => {
  const names = new Set(rows.map((row) => row.name));
  expect([...judgements.keys()].filter((name) => !names.has(name))).toEqual([]);
});

describe.each([...Map.groupBy(rows, (row) => row.source)])('%s', (_source, vectors) => {
  for (const vector of vectors) {
    test(`${vector.kind} ${vector.name} (${vector.class})`, () => {
      const context = vectorContext(vector);
      const octets = Uint8Array.from(Buffer.from(vector.hex, 'hex'));
      const decoded = decode(octets, context);
      check(vector, decoded);
      if (decoded.ok) checkRoundTrip(decoded.value, context);
      if (vector.kind === 'update') expectAgreement(octets.subarray(HEADER_OCTETS), context, new UpdateScan());
      if (octets.length < 1000) checkCuts(octets, context);
    });
  }
});

function decode(octets: Uint8Array, context: SessionContext): Result<BgpMessage, Notification> {
  const frames = splitFrames(octets, MAX_EXTENDED_MESSAGE_OCTETS);
  if (!frames.ok) return frames;
  const [message] = frames.value.messages;
  if (!message) return err({ code: 0, subcode: 0, data: octets });
  return decodeMessage(message[HEADER_OCTETS - 1] as number, message.subarray(HEADER_OCTETS), context);
}

function check(vector: Vector, decoded: Result<BgpMessage, Notification>): void {
  const judgement = judgements.get(vector.name);
  const wantedErrors = judgement?.error ? [judgement.error] : errorsOf(vector.expect);
  if (wantedErrors) {
    // Where one family can be disabled in place of the session, that is the answer, with the NOTIFICATION for who cannot.
    const problems = decoded.ok && decoded.value.type === 'update' ? decoded.value.update.problems : [];
    const disabling = problems.find(({ action }) => action === 'disable-family');
    const error = decoded.ok ? disabling?.notification : decoded.error;
    expect(wantedErrors).toContainEqual([error?.code, error?.subcode]);
    return;
  }
  if (!decoded.ok) throw new Error(`NOTIFICATION ${decoded.error.code}/${decoded.error.subcode}`);
  const wanted = Object.fromEntries(Object.entries(vector.expect).filter(([key]) => !derived.includes(key)));
  if (judgement?.attrs) {
    const attrs = { ...(wanted['attrs'] as Expected), ...judgement.attrs };
    wanted['attrs'] = Object.fromEntries(Object.entries(attrs).filter(([, value]) => value !== undefined));
  }
  expect(meaning(decoded.value)).toEqual(wanted);
  const problems = decoded.value.type === 'update' ? decoded.value.update.problems : [];
  expect(problems.map((p) => `${p.action} ${attributeName(p.attributeCode)}`)).toEqual(judgement?.problems ?? []);
}

/** The NOTIFICATIONs of a malformed row: one [code, subcode] or a list of them. */
function errorsOf(expected: Expected): readonly (readonly [number, number])[] | undefined {
  if (expected['action'] === undefined) return undefined;
  const wanted = expected['notification'] as [number, number] | [number, number][];
  return (Array.isArray(wanted[0]) ? wanted : [wanted]) as [number, number][];
}

/** What was decoded without a complaint is encoded and decoded to the same. */
function checkRoundTrip(message: BgpMessage, context: SessionContext): void {
  if (message.type === 'update' && message.update.problems.length > 0) return;
  const octets = encodeMessage(message, context);
  expect(decode(octets, context)).toEqual({ ok: true, value: message });
}

function checkCuts(octets: Uint8Array, context: SessionContext): void {
  const type = octets[HEADER_OCTETS - 1] as number;
  for (let end = HEADER_OCTETS; end < octets.length; end++) {
    const body = octets.subarray(HEADER_OCTETS, end);
    expect(() => decodeMessage(type, body, context)).not.toThrow();
    if (type === 2) expect(() => decodeUpdate(body, context)).not.toThrow();
  }
}
