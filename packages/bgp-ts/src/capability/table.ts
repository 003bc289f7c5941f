import { ByteReader, ByteWriter } from '../bytes.ts';
import { type Notification, notification, Truncated } from '../errors.ts';
import { ErrorCode, OpenSubcode } from '../iana.ts';
import { err, ok, type Result } from '../result.ts';
import { addPathCapability } from './add-path.ts';
import type { Capability } from './capability.ts';
import type { CapabilityCodec } from './codec.ts';
import { enhancedRouteRefreshCapability } from './enhanced-route-refresh.ts';
import { extendedMessageCapability } from './extended-message.ts';
import { extendedNextHopCapability } from './extended-next-hop.ts';
import { fourOctetAsCapability } from './four-octet-as.ts';
import { fqdnCapability } from './fqdn.ts';
import { gracefulRestartCapability } from './graceful-restart.ts';
import { longLivedGracefulRestartCapability } from './long-lived-graceful-restart.ts';
import { multiprotocolCapability } from './multiprotocol.ts';
import { roleCapability } from './role.ts';
import { routeRefreshCapability } from './route-refresh.ts';
import { softwareVersionCapability } from './software-version.ts';

type KnownType = Exclude<Capability['type'], 'unknown'>;

/** Every known capability by its `type`. */
export const capabilityTable: { readonly [Type in KnownType]: CapabilityCodec<Type> } = {
  multiprotocol: multiprotocolCapability,
  'route-refresh': routeRefreshCapability,
  'extended-next-hop': extendedNextHopCapability,
  'extended-message': extendedMessageCapability,
  role: roleCapability,
  'graceful-restart': gracefulRestartCapability,
  'four-octet-as': fourOctetAsCapability,
  'add-path': addPathCapability,
  'enhanced-route-refresh': enhancedRouteRefreshCapability,
  'long-lived-graceful-restart': longLivedGracefulRestartCapability,
  fqdn: fqdnCapability,
  'software-version': softwareVersionCapability,
};

/** A codec seen without its type parameter: only ever given the values it made, or those of its `type`. */
interface AnyCodec {
  readonly code: number;
  readonly isInformational?: boolean;
  decode(r: ByteReader): Capability;
  encode(w: ByteWriter, value: Capability): void;
  format(value: Capability): string;
}

const byCode: ReadonlyMap<number, AnyCodec> = new Map(
  Object.values(capabilityTable).map((codec) => [codec.code, codec as unknown as AnyCodec]),
);

/** The capability code of a capability, known or not. */
export function capabilityCode(capability: Capability): number {
  return capability.type === 'unknown' ? capability.code : capabilityTable[capability.type].code;
}

/** For people: `multiprotocol ipv4-unicast`, `unknown 99 (3 octets)`. */
export function formatCapability(capability: Capability): string {
  if (capability.type === 'unknown') return `unknown ${capability.code} (${capability.value.length} octets)`;
  return (capabilityTable[capability.type] as unknown as AnyCodec).format(capability);
}

/**
 * Decodes a run of capabilities (RFC 5492 §4): code (1), length (1), value, repeated. Unknown ones are kept. A known capability whose
 * value does not fit its definition ends the session with 2/0, since what it negotiates would be a guess; one that only informs people
 * is kept as unknown.
 */
export function decodeCapabilities(bytes: Uint8Array): Result<Capability[], Notification> {
  const capabilities: Capability[] = [];
  try {
    const r = new ByteReader(bytes);
    while (r.remaining > 0) {
      const code = r.u8();
      const value = r.view(r.u8());
      const codec = byCode.get(code);
      const capability = codec && decodeValue(codec, value);
      if (codec && !capability && codec.isInformational !== true) return malformed();
      capabilities.push(capability ?? { type: 'unknown', code, value: value.slice() });
    }
  } catch (thrown) {
    if (thrown instanceof Truncated) return malformed();
    throw thrown;
  }
  return ok(capabilities);
}

/**
 * Encodes capabilities one after the other, without the Optional Parameter around them.
 * @throws RangeError if the value of one takes more than 255 octets
 */
export function encodeCapabilities(capabilities: readonly Capability[]): Uint8Array {
  const w = new ByteWriter();
  for (const capability of capabilities) {
    w.u8(capabilityCode(capability));
    const lengthAt = w.length;
    w.u8(0);
    if (capability.type === 'unknown') w.octets(capability.value);
    else (capabilityTable[capability.type] as unknown as AnyCodec).encode(w, capability);
    const length = w.length - lengthAt - 1;
    if (length > 255) throw new RangeError(`capability ${capability.type} of ${length} octets: at most 255`);
    w.patchU8(lengthAt, length);
  }
  return w.finish();
}

/** `undefined` if the value is too short or too long for the capability. */
function decodeValue(codec: AnyCodec, value: Uint8Array): Capability | undefined {
  const r = new ByteReader(value);
  try {
    const capability = codec.decode(r);
    return r.remaining > 0 ? undefined : capability;
  } catch (thrown) {
    if (thrown instanceof Truncated) return undefined;
    throw thrown;
  }
}

function malformed(): Result<never, Notification> {
  return err(notification(ErrorCode.OpenMessage, OpenSubcode.Unspecific));
}
