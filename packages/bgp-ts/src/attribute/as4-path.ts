import { AttributeCode, AttributeFlag } from '../iana.ts';
import { isConfederation, readAsPath, writeAsPath } from './as-path.ts';
import { formatAsPath } from './as-path-value.ts';
import type { AsPath } from './attributes.ts';
import type { AttributeCodec } from './codec.ts';

/**
 * AS4_PATH (type 17, optional transitive), RFC 6793 §3: the AS_PATH with 4-octet AS numbers, behind speakers that know only 2.
 * Malformed (as AS_PATH): attribute discard, RFC 6793 §6; confederation segments are left out without further ado (also §6).
 */
export const as4PathCodec: AttributeCodec<AsPath> = {
  name: 'AS4_PATH',
  code: AttributeCode.As4Path,
  flags: AttributeFlag.Optional | AttributeFlag.Transitive,
  onError: 'attribute-discard',
  decode(r) {
    const path = readAsPath(as4PathCodec, r, true);
    return path.ok ? { ok: true, value: path.value.filter((segment) => !isConfederation(segment)) } : path;
  },
  encode(w, value) {
    writeAsPath(w, value, true);
  },
  format: formatAsPath,
};
