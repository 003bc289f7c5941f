import { CapabilityCode } from '../iana.ts';
import type { CapabilityCodec } from './codec.ts';
import { readText, writeText } from './text.ts';

/** FQDN (code 73), draft-walton-bgp-hostname-capability. Value: host name, domain name, each a length octet and UTF-8. */
export const fqdnCapability: CapabilityCodec<'fqdn'> = {
  type: 'fqdn',
  code: CapabilityCode.Fqdn,
  isInformational: true,
  decode: (r) => ({ type: 'fqdn', hostName: readText(r), domainName: readText(r) }),
  encode(w, value) {
    writeText(w, value.hostName);
    writeText(w, value.domainName);
  },
  format: (value) =>
    `fqdn ${JSON.stringify(value.domainName ? `${value.hostName}.${value.domainName}` : value.hostName)}`,
};
