import { formatIp, formatPrefix, type IpAddress, ipEquals, prefixContains } from 'bgp-ts';
import type { MachineAddress, MachineInterface } from '../../lib/machine.ts';
import { unreachable } from '../../lib/result.ts';
import type { DetectionMethod } from './detection-method.ts';

/** What a choice is made of. */
export interface DetectionInput {
  readonly version: 4 | 6;
  readonly method: DetectionMethod;
  readonly interfaces: readonly MachineInterface[];
  /** Interfaces that the default route of this version leaves through. */
  readonly defaultDevices: readonly string[];
  /** For `can-reach`: where packets to its target leave; absent where there is no route. */
  readonly towards?: { readonly device: string; readonly source: IpAddress } | undefined;
  /** The address chosen before. It stays for as long as the machine has it. */
  readonly kept?: IpAddress | undefined;
}

/** One address, or one interface without any, and what became of it. */
export interface DetectionCandidate {
  readonly interfaceName: string;
  readonly kind: string | undefined;
  readonly address: MachineAddress | undefined;
  readonly isChosen: boolean;
  /** In words that follow the interface's or address's name: `is a bridge`. */
  readonly reason: string;
}

/** What was chosen, and why. */
export interface Detection {
  readonly chosen: { readonly interfaceName: string; readonly address: IpAddress } | undefined;
  /** All that was looked at, in the order of preference; what cannot be chosen comes last. */
  readonly candidates: readonly DetectionCandidate[];
}

interface Possible {
  readonly link: MachineInterface;
  readonly address: MachineAddress;
  /** Smaller is better, compared from the left. */
  readonly rank: readonly number[];
}

/**
 * Chooses the node's address of one version. Never one of a bridge, of a veth pair's end towards a pod, or of a tunnel, unless
 * `interface=` has the very name of it. Pure.
 */
export function detectAddress(input: DetectionInput): Detection {
  const possible: Possible[] = [];
  const refused: DetectionCandidate[] = [];
  for (const link of input.interfaces) {
    const addresses = link.addresses.filter(
      ({ address, scope }) => address.version === input.version && scope === 'global',
    );
    const problem = interfaceProblem(link, input);
    const refuse = (address: MachineAddress | undefined, reason: string): void => {
      refused.push({ interfaceName: link.name, kind: link.kind, address, isChosen: false, reason });
    };
    // An interface without an address is only worth a word where it could have had the right one.
    if (addresses.length === 0 && problem === undefined) refuse(undefined, `has no IPv${input.version} address`);
    for (const address of addresses) {
      const reason = problem ?? addressProblem(link, address, input);
      if (reason === undefined) possible.push({ link, address, rank: rankOf(link, address, input) });
      else refuse(address, reason);
    }
  }
  possible.sort((a, b) => compareRanks(a.rank, b.rank));
  const { kept } = input;
  const [first] = possible;
  const isFirst = kept !== undefined && first !== undefined && ipEquals(first.address.address, kept);
  if (kept !== undefined && !isFirst && isOnMachine(input.interfaces, kept)) {
    return keep(kept, possible, refused, input);
  }
  if (first === undefined || input.method.type === 'none') return { chosen: undefined, candidates: refused };
  const candidates = possible.map((one) => candidate(one, one === first, reasonOf(one, first, input)));
  return {
    chosen: { interfaceName: first.link.name, address: first.address.address },
    candidates: [...candidates, ...refused],
  };
}

/** True if any interface has the address. */
export function isOnMachine(interfaces: readonly MachineInterface[], address: IpAddress): boolean {
  return interfaceOf(interfaces, address) !== undefined;
}

function interfaceOf(interfaces: readonly MachineInterface[], address: IpAddress): MachineInterface | undefined {
  return interfaces.find((link) => link.addresses.some((one) => ipEquals(one.address, address)));
}

/** The address chosen before is chosen, whatever else would be by now. */
function keep(
  kept: IpAddress,
  possible: readonly Possible[],
  refused: readonly DetectionCandidate[],
  { interfaces }: DetectionInput,
): Detection {
  const text = formatIp(kept);
  const isKept = (address: MachineAddress | undefined) => address !== undefined && ipEquals(address.address, kept);
  const others = possible
    .filter(({ address }) => !isKept(address))
    .map((one) => candidate(one, false, `is possible, but ${text} was chosen before and is still there`));
  const link = interfaceOf(interfaces, kept) as MachineInterface;
  const address = link.addresses.find(isKept);
  const own = refused.find((one) => isKept(one.address));
  const reason = 'was chosen before and is still there';
  const chosen: DetectionCandidate = {
    interfaceName: link.name,
    kind: link.kind,
    address,
    isChosen: true,
    reason: own === undefined ? reason : `${reason}, though by now it ${own.reason}`,
  };
  return {
    chosen: { interfaceName: link.name, address: kept },
    candidates: [chosen, ...others, ...refused.filter((one) => one !== own)],
  };
}

function candidate({ link, address }: Possible, isChosen: boolean, reason: string): DetectionCandidate {
  return { interfaceName: link.name, kind: link.kind, address, isChosen, reason };
}

/** Kinds that are never a node's way out, and what they are. */
const KINDS: Readonly<Record<string, string>> = {
  bridge: 'is a bridge',
  openvswitch: 'is a bridge',
  dummy: 'is a dummy: no network is behind it',
  ifb: 'is a dummy: no network is behind it',
  nlmon: 'is a dummy: no network is behind it',
  vrf: 'is a VRF',
  tun: 'is a tun or tap device',
};
const TUNNELS = new Set(
  'ipip sit ip6tnl gre gretap ip6gre ip6gretap erspan ip6erspan vti vti6 xfrm vxlan geneve wireguard bareudp gtp amt ppp l2tp'.split(
    ' ',
  ),
);
const PAIRS = new Set(['veth', 'netkit']);

/** Names that network plugins and container runtimes give to interfaces of theirs, whatever kind these are. */
const PLUGIN_NAMES =
  /^(docker|podman|nerdctl|br-[0-9a-f]{12}$|cbr|virbr|lxc|cni|cali|tunl|vxlan[.-]|wireguard\.cali|wg-v6\.cali|flannel|kube-|nodelocaldns|cilium|weave|antrea|veth|pr[0-9a-f]{13}$)/;

function interfaceProblem(link: MachineInterface, input: DetectionInput): string | undefined {
  const { method } = input;
  if (!isNamed(link, method)) {
    const problem = whatItIs(link, input);
    if (problem !== undefined) return problem;
  }
  if (!link.isUp) return 'is down';
  const matches = (patterns: readonly RegExp[]) => patterns.some((pattern) => pattern.test(link.name));
  if (method.type === 'interface' && !matches(method.patterns)) return 'does not match the pattern';
  if (method.type === 'skip-interface' && matches(method.patterns)) return 'matches what is to be skipped';
  return undefined;
}

/** Asked for by its whole name: then it is no guess. */
function isNamed({ name }: MachineInterface, method: DetectionMethod): boolean {
  return method.type === 'interface' && method.names.includes(name);
}

function whatItIs(link: MachineInterface, { defaultDevices }: DetectionInput): string | undefined {
  const { kind, name, master } = link;
  if (link.isLoopback) return 'is the loopback interface';
  if (kind !== undefined && KINDS[kind] !== undefined) return KINDS[kind];
  if (kind !== undefined && TUNNELS.has(kind)) return `is a tunnel (${kind})`;
  if (PLUGIN_NAMES.test(name)) return 'has the name of an interface that a network plugin makes';
  // The way out of a node that is itself a container is the end of a pair, too: its default route tells it from the way to a pod.
  if (kind !== undefined && PAIRS.has(kind) && !defaultDevices.includes(name)) {
    return `is the end of a ${kind} pair, and no default route leaves through it`;
  }
  return master === undefined ? undefined : `belongs to ${master}`;
}

function addressProblem(link: MachineInterface, address: MachineAddress, input: DetectionInput): string | undefined {
  const { flags } = address;
  const { method, towards } = input;
  if (flags.includes('duplicate')) return 'another machine on the link has it, too';
  if (flags.includes('tentative')) return 'is not known to be unique yet';
  if (flags.includes('deprecated')) return 'is deprecated';
  if (flags.includes('temporary')) return 'is a temporary address';
  if (flags.includes('secondary')) return 'is not the first address of its network';
  switch (method.type) {
    case 'none':
    case 'first-found':
    case 'interface':
    case 'skip-interface':
      return undefined;
    case 'cidr':
      return method.prefixes.some((prefix) => prefixContains(prefix, address.address))
        ? undefined
        : `is not in ${method.prefixes.map(formatPrefix).join(' or ')}`;
    case 'can-reach': {
      const target = formatIp(method.target);
      if (towards === undefined) return `there is no route to ${target}`;
      if (towards.device === link.name && ipEquals(towards.source, address.address)) return undefined;
      return `packets to ${target} leave from ${formatIp(towards.source)} on ${towards.device}`;
    }
    default:
      return unreachable(method);
  }
}

/** By its whole name, then the default route, then the order of interfaces; addresses of a whole network before single ones. */
function rankOf(link: MachineInterface, address: MachineAddress, input: DetectionInput): number[] {
  const route = input.defaultDevices.indexOf(link.name);
  return [
    isNamed(link, input.method) ? 0 : 1,
    route < 0 ? input.defaultDevices.length : route,
    link.index,
    isSingle(address) ? 1 : 0,
    link.addresses.indexOf(address),
  ];
}

/** Such an address beside others is often one that moves between machines. */
function isSingle({ address, prefixLength }: MachineAddress): boolean {
  return prefixLength === address.octets.length * 8;
}

function compareRanks(a: readonly number[], b: readonly number[]): number {
  const i = a.findIndex((value, at) => value !== b[at]);
  return i < 0 ? 0 : (a[i] ?? 0) - (b[i] ?? 0);
}

function reasonOf(one: Possible, first: Possible, input: DetectionInput): string {
  const { defaultDevices, method } = input;
  const name = first.link.name;
  const decided = one.rank.findIndex((value, at) => value !== first.rank[at]);
  if (one === first) {
    if (method.type === 'can-reach') return `packets to ${formatIp(method.target)} leave from it`;
    if (isNamed(first.link, method)) return 'is on the interface that was named';
    return defaultDevices.includes(name) ? 'the default route leaves through its interface' : 'is the first one';
  }
  switch (decided) {
    case 0:
      return `is possible, but ${name} was named`;
    case 1:
      return `is possible, but the default route leaves through ${name}`;
    case 2:
      return `is possible, but ${name} is before it`;
    case 3:
      return `is possible, but stands for itself alone beside ${formatIp(first.address.address)}`;
    default:
      return `is possible, but ${formatIp(first.address.address)} is the first one there`;
  }
}
