import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import {
  type BgpMessage,
  ByteReader,
  decodeMessage,
  defaultContext,
  describeNotification,
  formatAsPath,
  formatIp,
  formatPrefix,
  HEADER_OCTETS,
  ipFromOctets,
  splitFrames,
} from 'bgp-ts';

// Update messages as a route collector recorded them, in the MRT format (RFC 6396); see data/README.md for where they come from.
const file = process.argv[2] ?? new URL('data/updates.20020722.2238.gz', import.meta.url);
const BGP4MP = 16;
const BGP4MP_MESSAGE = 1; // AS numbers of two octets
const session = { ...defaultContext, fourOctetAs: false };

const counts = new Map<string, number>();
const r = new ByteReader(new Uint8Array(gunzipSync(readFileSync(file))));
while (r.remaining > 0) {
  const time = new Date(r.u32() * 1000);
  const [type, subtype] = [r.u16(), r.u16()];
  const record = r.sub(r.u32());
  if (type === BGP4MP && subtype === BGP4MP_MESSAGE) message(time, record);
}
console.log([...counts].map(([what, count]) => `${count} ${what}`).join(', '));

/** Peer AS (2), local AS (2), interface (2), AFI (2), the addresses of both, and the message as it was on the wire. */
function message(time: Date, record: ByteReader): void {
  const peerAs = record.u16();
  record.view(4);
  const octets = record.u16() === 1 ? 4 : 16;
  const peer = formatIp(ipFromOctets(record.copy(octets)));
  record.view(octets);
  const frames = splitFrames(record.view(record.remaining), 4096);
  if (!frames.ok) {
    count(`headers wrong: ${describeNotification(frames.error)}`);
    return;
  }
  for (const frame of frames.value.messages) {
    const decoded = decodeMessage(frame[HEADER_OCTETS - 1] ?? 0, frame.subarray(HEADER_OCTETS), session);
    if (decoded.ok) show(`${time.toISOString()} ${peer} AS${peerAs}`, decoded.value);
    else count(`messages wrong: ${describeNotification(decoded.error)}`);
  }
}

function show(from: string, decoded: BgpMessage): void {
  count(decoded.type);
  if (decoded.type === 'notification') console.log(`${from} ${describeNotification(decoded.notification)}`);
  if (decoded.type !== 'update') return;
  const { nlri, withdrawn, attributes, problems } = decoded.update;
  count('prefixes announced', nlri.length);
  count('prefixes withdrawn', withdrawn.length);
  for (const problem of problems) console.log(`${from} ${problem.action}: ${problem.message}`);
  const [first] = nlri;
  if (first === undefined || (counts.get('update') ?? 0) % 200 !== 0) return;
  console.log(`${from} ${formatPrefix(first.prefix)} by ${formatAsPath(attributes.asPath ?? [])}`);
}

function count(what: string, by = 1): void {
  counts.set(what, (counts.get(what) ?? 0) + by);
}
