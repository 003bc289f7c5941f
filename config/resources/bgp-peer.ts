import { z } from 'zod';
import { isRawMap, type RawMap, type Reporter } from '../document.ts';
import {
  asNumber,
  boolean,
  cidr,
  field,
  holdTime,
  integer,
  ipAddress,
  nonEmptyText,
  oneOf,
  pathCount,
  peerAddress,
  routerId,
  seconds,
  secondsBetween,
  selector,
  text,
  wordOr,
} from '../values.ts';
import { linkBandwidth } from './link-bandwidth.ts';
import { atMostOne, type Dialect, isSet, type KindDefinition, type Resource } from './resource.ts';

/** Names of Secrets and of their keys; they also become file names, so nothing that leads out of a directory. */
const secretName = field((value) => {
  const result = nonEmptyText(253)(value);
  if (!result.ok || /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(result.value)) return result;
  return { ok: false, error: `${JSON.stringify(value)}: must be letters, digits, ".", "_" and "-"` };
});

/** A key in a Secret. */
export const secretKeyRef = z.strictObject({
  name: secretName,
  key: secretName,
  optional: field(boolean).optional(),
});

const calicoFields = {
  node: field(nonEmptyText(253)).optional(),
  nodeSelector: field(selector()).optional(),
  peerIP: field(peerAddress(false)).optional(),
  asNumber: field(asNumber).optional(),
  localASNumber: field(asNumber).optional(),
  peerSelector: field(selector()).optional(),
  keepOriginalNextHop: field(boolean).optional(),
  nextHopMode: field(oneOf(['Auto', 'Self', 'Keep'])).optional(),
  password: z.strictObject({ secretKeyRef: secretKeyRef.optional() }).optional(),
  sourceAddress: field(oneOf(['UseNodeIP', 'None'])).optional(),
  maxRestartTime: field(secondsBetween(1, 4095)).optional(),
  keepaliveTime: field(secondsBetween(1, 21845)).optional(),
  numAllowedLocalASNumbers: field(integer(0, 255)).optional(),
  ttlSecurity: field(integer(1, 254)).optional(),
  reachableBy: field(ipAddress).optional(),
  filters: z.array(field(nonEmptyText(253))).optional(),
  localWorkloadSelector: field(selector()).optional(),
  reversePeering: field(oneOf(['Auto', 'Manual'])).optional(),
};

/** Filters of one direction and what happens to what they leave undecided. */
function direction<const T extends string>(defaults: readonly T[]) {
  return z.preprocess(
    (value) => (typeof value === 'string' ? { default: value } : value),
    z.strictObject({
      filters: z.array(field(nonEmptyText(253))).optional(),
      default: field(oneOf(defaults)).optional(),
    }),
  );
}

/** A number of prefixes, or with what happens beyond it. */
const prefixLimit = z.strictObject({
  count: field(integer(1, 0xffffffff)),
  action: field(oneOf(['warn', 'restart', 'shutdown'])).optional(),
  restartTime: field(secondsBetween(1, 86400)).optional(),
});
const countAlone = (value: unknown) => (typeof value === 'number' ? { count: value } : value);
const maxPrefixes = z.preprocess(countAlone, prefixLimit.extend({ warnPercent: field(integer(1, 100)).optional() }));
const maxPrefixesOut = z.preprocess(countAlone, prefixLimit);

const addPathDirections = { send: field(pathCount).optional(), receive: field(boolean).optional() };
const addPath = z.strictObject({
  ...addPathDirections,
  ipv4: z.strictObject(addPathDirections).optional(),
  ipv6: z.strictObject(addPathDirections).optional(),
});

/** `true`, or how: also in paths with other AS numbers, and with ours in their place. */
const removePrivateAs = z.preprocess(
  (value) => (value === true ? {} : value),
  z
    .strictObject({ all: field(boolean).optional(), replaceAS: field(boolean).optional() })
    .transform(({ all, replaceAS }) => ({ all: all ?? false, replace: replaceAS ?? false })),
);

const podrouteSchema = z.strictObject({
  ...calicoFields,
  asNumber: field(wordOr(['internal', 'external', 'auto'], asNumber)).optional(),
  localASNoPrepend: field(boolean).optional(),
  localASReplaceAS: field(boolean).optional(),
  description: field(text(255)).optional(),
  peerIP: field(peerAddress(true)).optional(),
  peerPrefixes: z.array(field(cidr())).min(1).optional(),
  peerLimit: field(integer(1, 100_000)).optional(),
  interface: field(nonEmptyText(15)).optional(),
  port: field(integer(1, 65535)).optional(),
  device: field(nonEmptyText(15)).optional(),
  sourceAddress: field(wordOr(['UseNodeIP', 'None'], ipAddress)).optional(),
  sourceInterface: field(nonEmptyText(15)).optional(),
  passive: field(boolean).optional(),
  shutdown: field(boolean).optional(),
  shutdownText: field(text(128)).optional(),
  holdTime: field(holdTime).optional(),
  keepaliveTime: field(seconds).optional(),
  connectRetryTime: field(secondsBetween(1, 3600)).optional(),
  idleHoldTime: field(secondsBetween(1, 3600)).optional(),
  sendHoldTime: field(secondsBetween(1, 65535)).optional(),
  extendedMessages: field(boolean).optional(),
  extendedNextHop: field(boolean).optional(),
  fourOctetAS: field(boolean).optional(),
  extendedOpenParameters: field(boolean).optional(),
  families: z
    .array(field(oneOf(['ipv4', 'ipv6'])))
    .min(1)
    .optional(),
  addPath: addPath.optional(),
  routeReflectorClient: field(boolean).optional(),
  clusterID: field(routerId).optional(),
  clientToClientReflection: field(boolean).optional(),
  asOverride: field(boolean).optional(),
  removePrivateAS: removePrivateAs.optional(),
  localRole: field(oneOf(['Provider', 'Customer', 'Peer', 'RouteServer', 'RouteServerClient'])).optional(),
  strictRole: field(boolean).optional(),
  gracefulShutdown: field(boolean).optional(),
  honorGracefulShutdown: field(boolean).optional(),
  aigp: field(boolean).optional(),
  allowASSets: field(boolean).optional(),
  nextHop: z
    .strictObject({
      ebgp: field(oneOf(['Auto', 'Self', 'Keep'])).optional(),
      ibgp: field(oneOf(['Auto', 'Self', 'Keep'])).optional(),
      import: field(oneOf(['Keep', 'Peer'])).optional(),
    })
    .optional(),
  linkBandwidth: linkBandwidth.optional(),
  multihop: field(integer(1, 255)).optional(),
  maxPrefixes: maxPrefixes.optional(),
  maxPrefixesOut: maxPrefixesOut.optional(),
  passwordFile: field(nonEmptyText(4096)).optional(),
  policy: z
    .strictObject({
      import: direction(['accept', 'reject']).optional(),
      export: direction(['accept', 'own', 'reject']).optional(),
    })
    .optional(),
});

/** A peer, or a rule that makes peers. */
export type BgpPeerSpec = z.infer<typeof podrouteSchema>;

/** BGPPeer of either API. */
export type BgpPeerResource = Resource<'BGPPeer', BgpPeerSpec>;

/** BGPPeer of Calico's API. */
export const calicoBgpPeer: KindDefinition<'BGPPeer', BgpPeerSpec> = {
  kind: 'BGPPeer',
  spec: z.strictObject(calicoFields),
  rules: peerRules,
};

/** BGPPeer of podroute: Calico's fields, and what they lack. */
export const podrouteBgpPeer: KindDefinition<'BGPPeer', BgpPeerSpec> = {
  kind: 'BGPPeer',
  spec: podrouteSchema,
  rules: peerRules,
};

function peerRules(raw: RawMap, report: Reporter, dialect: Dialect): void {
  atMostOne(raw, report, ['node', 'nodeSelector']);
  const whom = ['peerIP', 'peerSelector', 'peerPrefixes', 'interface', 'localWorkloadSelector'];
  atMostOne(raw, report, whom);
  if (!whom.some((key) => isSet(raw, key))) {
    const wanted = dialect === 'calico' ? 'peerIP or peerSelector' : 'peerIP, peerSelector, peerPrefixes or interface';
    report.error(['spec'], `does not say whom to peer with: ${wanted} is missing`);
  }
  if (isSet(raw, 'peerSelector') && isSet(raw, 'asNumber')) {
    report.error(['spec', 'asNumber'], 'cannot be set together with peerSelector: the nodes it selects have their own');
  }
  for (const key of ['peerIP', 'peerPrefixes', 'interface', 'localWorkloadSelector']) {
    if (isSet(raw, key) && !isSet(raw, 'asNumber')) report.error(['spec', 'asNumber'], `is missing: ${key} needs it`);
  }
  atMostOne(raw, report, ['keepOriginalNextHop', 'nextHopMode']);
  if (isSet(raw, 'reachableBy')) checkReachableBy(raw, report);
  if (isSet(raw, 'localWorkloadSelector')) {
    report.error(['spec', 'localWorkloadSelector'], 'peering with pods is not supported');
  }
  if (isSet(raw, 'maxRestartTime')) {
    report.warn(['spec', 'maxRestartTime'], 'kept, but graceful restart is not offered to peers yet');
  }
  const { password } = raw;
  if (isRawMap(password) && !isSet(password, 'secretKeyRef')) {
    report.error(['spec', 'password', 'secretKeyRef'], 'is missing');
  }
  if (dialect === 'podroute') podrouteRules(raw, report);
}

function podrouteRules(raw: RawMap, report: Reporter): void {
  atMostOne(raw, report, ['password', 'passwordFile']);
  atMostOne(raw, report, ['ttlSecurity', 'multihop']);
  atMostOne(raw, report, ['sourceAddress', 'sourceInterface']);
  for (const key of ['localASNoPrepend', 'localASReplaceAS']) {
    if (isSet(raw, key) && !isSet(raw, 'localASNumber')) report.error(['spec', key], 'needs localASNumber');
  }
  for (const key of ['peerLimit']) {
    if (isSet(raw, key) && !isSet(raw, 'peerPrefixes')) report.error(['spec', key], 'needs peerPrefixes');
  }
  for (const key of ['passive', 'port', 'reachableBy']) {
    if (isSet(raw, key) && isSet(raw, 'peerPrefixes')) {
      report.error(['spec', key], 'has no meaning with peerPrefixes: such peers always connect to this node');
    }
  }
  for (const key of ['device', 'sourceAddress', 'sourceInterface', 'reachableBy', 'multihop']) {
    if (isSet(raw, key) && isSet(raw, 'interface')) {
      report.error(['spec', key], 'has no meaning with interface: such a session is between the link-local addresses');
    }
  }
  const { peerIP, holdTime: hold, keepaliveTime: keepalive } = raw;
  if (typeof peerIP === 'string') {
    const parsed = peerAddress(true)(peerIP);
    if (parsed.ok && parsed.value.port !== undefined && isSet(raw, 'port')) {
      report.error(['spec', 'port'], 'is there twice: also in peerIP');
    }
    if (parsed.ok && parsed.value.zone !== undefined && isSet(raw, 'device')) {
      report.error(['spec', 'device'], 'is there twice: also as the zone of peerIP');
    }
  }
  const holdSeconds = seconds(hold);
  const keepaliveSeconds = seconds(keepalive);
  if (holdSeconds.ok && keepaliveSeconds.ok && holdSeconds.value > 0 && keepaliveSeconds.value >= holdSeconds.value) {
    const seen = `${keepaliveSeconds.value} s`;
    report.error(['spec', 'keepaliveTime'], `${seen}: must be less than holdTime (${holdSeconds.value} s)`);
  }
  if (isSet(raw, 'shutdownText') && raw['shutdown'] !== true) {
    report.warn(['spec', 'shutdownText'], 'has no effect without shutdown: true');
  }
}

function checkReachableBy(raw: RawMap, report: Reporter): void {
  const path = ['spec', 'reachableBy'];
  if (!isSet(raw, 'peerIP')) {
    report.error(path, 'needs peerIP');
    return;
  }
  const gateway = ipAddress(raw['reachableBy']);
  const peer = peerAddress(true)(raw['peerIP']);
  if (gateway.ok && peer.ok && gateway.value.version !== peer.value.address.version) {
    report.error(path, `must be an IPv${peer.value.address.version} address, as peerIP is`);
  }
}
