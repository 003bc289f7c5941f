import { AttributeCode, AttributeFlag, UpdateSubcode, WellKnownCommunity } from '../iana.ts';
import { type AttributeCodec, malformed } from './codec.ts';

/**
 * COMMUNITIES (type 8, optional transitive), RFC 1997. Value: communities of 4 octets.
 * Malformed (length 0 or not a multiple of 4): treat-as-withdraw, RFC 7606 §7.8.
 */
export const communitiesCodec: AttributeCodec<readonly number[]> = {
  name: 'COMMUNITIES',
  code: AttributeCode.Communities,
  flags: AttributeFlag.Optional | AttributeFlag.Transitive,
  onError: 'treat-as-withdraw',
  decode(r) {
    if (r.remaining === 0 || r.remaining % 4 !== 0) {
      return malformed(communitiesCodec, UpdateSubcode.OptionalAttributeError, `${r.remaining} octets`);
    }
    const value: number[] = [];
    while (r.remaining > 0) value.push(r.u32());
    return { ok: true, value };
  },
  encode(w, value) {
    for (const community of value) w.u32(community);
  },
  format: (value) => value.map(formatCommunity).join(' '),
};

const wellKnownNames: Readonly<Record<WellKnownCommunity, string>> = {
  [WellKnownCommunity.GracefulShutdown]: 'graceful-shutdown',
  [WellKnownCommunity.AcceptOwn]: 'accept-own',
  [WellKnownCommunity.LlgrStale]: 'llgr-stale',
  [WellKnownCommunity.NoLlgr]: 'no-llgr',
  [WellKnownCommunity.Blackhole]: 'blackhole',
  [WellKnownCommunity.NoExport]: 'no-export',
  [WellKnownCommunity.NoAdvertise]: 'no-advertise',
  [WellKnownCommunity.NoExportSubconfed]: 'no-export-subconfed',
  [WellKnownCommunity.NoPeer]: 'no-peer',
};

/** `65000:1`, or the name of a well-known community. */
export function formatCommunity(community: number): string {
  const name = (wellKnownNames as Readonly<Record<number, string>>)[community];
  return name ?? `${community >>> 16}:${community & 0xffff}`;
}

/** Reads `65000:1` or the name of a well-known community (in any case); `undefined` for anything else. */
export function parseCommunity(text: string): number | undefined {
  const lower = text.toLowerCase();
  for (const [value, name] of Object.entries(wellKnownNames)) if (name === lower) return Number(value);
  const match = /^(\d{1,5}):(\d{1,5})$/.exec(text);
  if (!match) return undefined;
  const high = Number(match[1]);
  const low = Number(match[2]);
  return high <= 0xffff && low <= 0xffff ? high * 0x10000 + low : undefined;
}
