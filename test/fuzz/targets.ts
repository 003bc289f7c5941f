/**
 * Fuzz targets over every decoder of bgp-ts. Each takes any octets and throws where a promise of the library is broken: it never throws, reads
 * nothing outside the octets it was given, what it accepts is written in one form and that form is read back to the same, and it ends soon.
 */
import { deepStrictEqual, ok as holds } from 'node:assert/strict';
import {
  AttributeCursor,
  attributeRows,
  BadNlri,
  ByteReader,
  ByteWriter,
  countNlri,
  decodeAttributes,
  decodeCapabilities,
  decodeMessage,
  decodeNotification,
  decodeOpen,
  decodeRouteRefresh,
  decodeUpdate,
  describeNotification,
  encodeAttributes,
  encodeCapabilities,
  encodeMessage,
  encodeNotification,
  encodeOpen,
  encodeRouteRefresh,
  encodeUpdate,
  type FamilyName,
  formatAttributes,
  formatCapability,
  HEADER_OCTETS,
  NlriCursor,
  type NlriEntry,
  nlriTable,
  type SessionContext,
  splitFrames,
  Truncated,
  UpdateScan,
} from 'bgp-ts';
import { type JudgeContext, judgeUpdate } from './judge.ts';

/** Takes octets and checks what must hold of them. @throws AssertionError */
export type Target = (octets: Uint8Array) => void;

const both: readonly FamilyName[] = ['ipv4-unicast', 'ipv6-unicast'];

/** Every combination that changes the meaning of octets. */
export const contexts: readonly SessionContext[] = (['ebgp', 'ibgp'] as const).flatMap((kind) =>
  [true, false].flatMap((fourOctetAs) =>
    [true, false].map((hasIds) => {
      const families = new Set(hasIds ? both : []);
      return { kind, fourOctetAs, addPathReceive: families, addPathSend: families, maxOctets: 65535 };
    }),
  ),
);

/** Octets in the middle of others: a reader that leaves its range finds another message each time. */
function surrounded(octets: Uint8Array, filler: number): Uint8Array {
  const buffer = new Uint8Array(octets.length + 64).fill(filler);
  buffer.set(octets, 32);
  return buffer.subarray(32, 32 + octets.length);
}

/** Runs a decoder on the octets between two kinds of neighbours: the answers must be the same. */
function within<T>(octets: Uint8Array, decode: (view: Uint8Array) => T): T {
  const first = decode(surrounded(octets, 0x00));
  deepStrictEqual(decode(surrounded(octets, 0xff)), first, 'the answer depends on octets outside');
  return first;
}

const scan = new UpdateScan();

/** Names and targets. */
export const targets: Readonly<Record<string, Target>> = {
  framing(octets) {
    within(octets, (view) => splitFrames(view, 4096));
    within(octets, (view) => splitFrames(view, 65535));
  },
  message(octets) {
    const type = (octets[0] ?? 0) % 7;
    for (const context of contexts) {
      const decoded = within(octets.subarray(1), (view) => decodeMessage(type, view, context));
      if (!decoded.ok) {
        describeNotification(decoded.error);
      } else if (decoded.value.type !== 'update' && decoded.value.type !== 'open') {
        const again = encodeMessage(decoded.value, context);
        const reread = decodeMessage(type, again.subarray(HEADER_OCTETS), context);
        deepStrictEqual(reread, decoded);
      }
    }
  },
  open(octets) {
    const decoded = within(octets, (view) => decodeOpen(view));
    if (!decoded.ok) return;
    const again = fitting(() => encodeOpen(decoded.value));
    if (again === undefined) return;
    const reread = decodeOpen(again.subarray(HEADER_OCTETS));
    holds(reread.ok);
    deepStrictEqual(encodeOpen(reread.value), again);
  },
  capabilities(octets) {
    const decoded = within(octets, (view) => decodeCapabilities(view));
    if (!decoded.ok) return;
    for (const capability of decoded.value) holds(formatCapability(capability) !== '');
    const once = fitting(() => encodeCapabilities(decoded.value));
    if (once === undefined) return;
    const reread = decodeCapabilities(once);
    holds(reread.ok);
    deepStrictEqual(encodeCapabilities(reread.value), once);
  },
  update(octets) {
    for (const context of contexts) update(octets, context);
  },
  attributes(octets) {
    for (const context of contexts) {
      for (const nlriIsEmpty of [true, false]) {
        const options = { nlriIsEmpty };
        const decoded = within(octets, (view) => decodeAttributes(view, 0, view.length, context, options));
        formatAttributes(decoded.attributes);
      }
    }
    const cursor = new AttributeCursor();
    cursor.reset(octets, 0, octets.length);
    let end = 0;
    while (cursor.next()) {
      holds(cursor.start === end && cursor.valueEnd > end && cursor.valueEnd <= octets.length);
      end = cursor.valueEnd;
    }
    holds(cursor.isMalformed || end === octets.length);
  },
  notification(octets) {
    const decoded = within(octets, (view) => decodeNotification(view));
    describeNotification(decoded);
    const again = encodeNotification(decoded);
    holds(again.length <= 4096);
    if (octets.length >= 2 && octets.length <= 4077) deepStrictEqual(again.slice(HEADER_OCTETS), octets.slice());
  },
  'route-refresh'(octets) {
    const decoded = within(octets, (view) => decodeRouteRefresh(view));
    if (decoded.ok) deepStrictEqual(encodeRouteRefresh(decoded.value).slice(HEADER_OCTETS), octets.slice());
  },
  ...Object.fromEntries(both.flatMap((family) => [true, false].map((hasIds) => nlriTarget(family, hasIds)))),
  ...Object.fromEntries(attributeRows().map(({ codec }) => [`attribute ${codec.name}`, attributeTarget(codec.code)])),
};

function nlriTarget(family: FamilyName, hasIds: boolean): [string, Target] {
  const { maxBits } = nlriTable[family];
  const decode = (view: Uint8Array) => {
    try {
      return nlriTable[family].decode(new ByteReader(view), hasIds);
    } catch (error) {
      if (error instanceof Truncated || error instanceof BadNlri) return undefined;
      throw error;
    }
  };
  const target: Target = (octets) => {
    const entries = within(octets, decode);
    const count = within(octets, (view) => countNlri(view, 0, view.length, maxBits, hasIds));
    holds(count === (entries?.length ?? -1), `${count} counted, ${entries?.length ?? -1} decoded`);
    const cursor = new NlriCursor();
    cursor.reset(octets, 0, octets.length, maxBits, hasIds);
    let walked = 0;
    while (cursor.next()) walked++;
    holds(cursor.isMalformed ? entries === undefined : walked === count);
    if (entries === undefined) return;
    const w = new ByteWriter();
    (nlriTable[family].encode as (w: ByteWriter, list: readonly NlriEntry[], ids: boolean) => void)(w, entries, hasIds);
    deepStrictEqual(decode(w.finish()), entries);
    holds(w.length === octets.length);
  };
  return [`nlri ${family}${hasIds ? ' with path ids' : ''}`, target];
}

/** The value of one attribute: the first octet says with which flags, so that right ones are common. */
function attributeTarget(code: number): Target {
  const right = attributeRows().find((row) => row.codec.code === code)?.codec.flags ?? 0;
  return (octets) => {
    const value = octets.subarray(1);
    const flags = ((octets[0] ?? 0) < 0xf0 ? right : (octets[0] ?? 0)) | 0x10;
    const whole = Uint8Array.from([flags, code, value.length >> 8, value.length & 0xff, ...value]);
    for (const context of contexts) {
      const decode = (view: Uint8Array) => decodeAttributes(view, 0, view.length, context, { nlriIsEmpty: false });
      const { attributes, mpReach, mpUnreach, problems, count } = within(whole, decode);
      holds(count === 1);
      formatAttributes(attributes);
      if (problems.length > 0) continue;
      const write = (from: typeof attributes) =>
        encodeAttributes(from, context, { mpReach, mpUnreach, omitNextHop: code === 14 });
      const once = fitting(() => write(attributes));
      if (once === undefined) continue;
      const reread = decode(once);
      deepStrictEqual(reread.problems, []);
      deepStrictEqual(encodeAttributes(reread.attributes, context, { ...reread, omitNextHop: code === 14 }), once);
    }
  };
}

/** An UPDATE: decoder, scanner and judge agree, and what was accepted without fault is written in one form. */
function update(octets: Uint8Array, context: SessionContext): void {
  const decoded = within(octets, (view) => decodeUpdate(view, context));
  const isContent = within(octets, (view) => scan.read(view, 0, view.length, context));
  if (isContent && decoded.ok) {
    holds(scan.nlriCount === decoded.value.nlri.length && scan.withdrawnCount === decoded.value.withdrawn.length);
  }
  const judged = judgeUpdate(octets, judgeContextOf(context));
  if (judged.action === 'unsure') return;
  if (judged.action === 'reset') {
    const said = decoded.ok ? 'accepted' : `${decoded.error.code}/${decoded.error.subcode}`;
    holds(judged.codes.has(said), `answered ${said}, judged ${[...judged.codes].join(' or ')}`);
    return;
  }
  holds(decoded.ok, 'reset, judged no reset');
  const { value } = decoded;
  const mustWithdraw = value.problems.some(
    ({ action }) => action === 'treat-as-withdraw' || action === 'disable-family',
  );
  holds(
    mustWithdraw === (judged.action === 'treat-as-withdraw'),
    `${value.problems.map((p) => p.message)}: ${judged.action}`,
  );
  const disabled = value.problems.flatMap(({ family }) => family ?? []);
  deepStrictEqual(
    disabled,
    judged.disabled.map((version) => (version === 4 ? 'ipv4-unicast' : 'ipv6-unicast')),
  );
  holds(value.nlri.length + (value.mpReach?.nlri.length ?? 0) === judged.announced.length, 'routes announced');
  holds(
    value.withdrawn.length + (value.mpUnreach?.withdrawn.length ?? 0) === judged.withdrawn.length,
    'routes withdrawn',
  );
  if (value.problems.length > 0) return;
  const once = fitting(() => encodeUpdate(value, context));
  if (once === undefined) return;
  const reread = decodeUpdate(once.subarray(HEADER_OCTETS), context);
  holds(reread.ok, 'what we write we reset for');
  deepStrictEqual(reread.value.problems, []);
  deepStrictEqual(reread.value.nlri, value.nlri);
  deepStrictEqual(encodeUpdate(reread.value, context), once);
}

/** The judge's words for a context. */
export function judgeContextOf(context: SessionContext): JudgeContext {
  return {
    kind: context.kind === 'ebgp' ? 'ebgp' : 'ibgp',
    fourOctetAs: context.fourOctetAs,
    addPath4: context.addPathReceive.has('ipv4-unicast'),
    addPath6: context.addPathReceive.has('ipv6-unicast'),
  };
}

/** What `encode` gives; undefined where the value has no room, which is the one thing an encoder may say of a decoded value. */
function fitting(encode: () => Uint8Array): Uint8Array | undefined {
  try {
    return encode();
  } catch (error) {
    if (error instanceof RangeError && /octets: at most|is known: not to be sent/.test(error.message)) return undefined;
    throw error;
  }
}
