import { type IpAddress, type Prefix, parseIp } from 'bgp-ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { parseCidr } from '../cidr.ts';
import { show } from '../values.ts';

/** How a node finds its address of one family where its Node names none; the words are those of Calico's `IP_AUTODETECTION_METHOD`. */
export type DetectionMethod =
  /** Not at all. */
  | { readonly type: 'none' }
  /** The interface that the default route leaves through, else the first one. */
  | { readonly type: 'first-found' }
  /** Interfaces whose names match one of the patterns. `names` are the patterns as written. */
  | { readonly type: 'interface'; readonly patterns: readonly RegExp[]; readonly names: readonly string[] }
  /** Interfaces whose names match none of the patterns. */
  | { readonly type: 'skip-interface'; readonly patterns: readonly RegExp[] }
  /** The address that packets to `target` leave from. */
  | { readonly type: 'can-reach'; readonly target: IpAddress }
  /** An address inside of one of the prefixes. */
  | { readonly type: 'cidr'; readonly prefixes: readonly Prefix[] };

const WANTED = 'first-found, interface=REGEX, skip-interface=REGEX, can-reach=ADDRESS, cidr=CIDR or none';

/** Reads a method for one IP version. @returns it, or what is wrong with the text */
export function parseDetectionMethod(value: unknown, version: 4 | 6): Result<DetectionMethod, string> {
  const wrong = err(`${show(value)}: must be ${WANTED}`);
  if (typeof value !== 'string' || value.length > 1024) return wrong;
  if (value === 'none' || value === 'first-found') return ok({ type: value });
  if (value === 'kubernetes-internal-ip') {
    return err(
      'kubernetes-internal-ip: podroute does not ask the API server of Kubernetes; name the address in the Node, or say cidr=CIDR',
    );
  }
  const at = value.indexOf('=');
  const words = value
    .slice(at + 1)
    .split(',')
    .map((word) => word.trim());
  if (at < 0 || words.includes('')) return wrong;
  switch (value.slice(0, at)) {
    case 'interface': {
      const patterns = parsePatterns(words);
      return patterns.ok ? ok({ type: 'interface', patterns: patterns.value, names: words }) : patterns;
    }
    case 'skip-interface': {
      const patterns = parsePatterns(words);
      return patterns.ok ? ok({ type: 'skip-interface', patterns: patterns.value }) : patterns;
    }
    case 'can-reach': {
      const target = parseIp(words.join());
      // A name would make what this node is depend on what a server answers at the moment.
      if (target === undefined) return err(`${show(words.join())}: must be an address, not the name of a host`);
      return target.version === version ? ok({ type: 'can-reach', target }) : otherVersion(words.join(), version);
    }
    case 'cidr': {
      const prefixes: Prefix[] = [];
      for (const word of words) {
        const prefix = parseCidr(word);
        if (!prefix.ok) return prefix;
        if (prefix.value.address.version !== version) return otherVersion(word, version);
        prefixes.push(prefix.value);
      }
      return ok({ type: 'cidr', prefixes });
    }
    default:
      return wrong;
  }
}

function otherVersion(word: string, version: 4 | 6): Result<never, string> {
  return err(`${show(word)}: must be of IPv${version}`);
}

/** As in Calico, a pattern may match anywhere in the name. */
function parsePatterns(words: readonly string[]): Result<RegExp[], string> {
  const patterns: RegExp[] = [];
  for (const word of words) {
    try {
      patterns.push(new RegExp(word));
    } catch {
      return err(`${show(word)}: must be a regular expression`);
    }
  }
  return ok(patterns);
}
