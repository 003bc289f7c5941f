import { formatIp } from 'bgp-ts';
import type { RibPeerSettings } from '../../rib/types.ts';
import { roleName } from '../role.ts';

/** The rules for path attributes that a peer has beside the usual ones, in words for people. */
export function attributeWords(settings: RibPeerSettings): string[] {
  const { isConfederationMember, role, gracefulShutdown, honoursGracefulShutdown, aigp, allowsAsSets } = settings;
  const { asOverride, removePrivateAs, prependLocalAsIn, keepOwnAs, clusterId, clientToClient } = settings;
  const { nextHopOf, nextHopIn, allowOwnAs = 0 } = settings;
  const words: (string | false | undefined)[] = [
    gracefulShutdown === true && 'draining (GRACEFUL_SHUTDOWN)',
    isConfederationMember === true && 'member of the confederation',
    role !== undefined && `role ${roleName(role)}`,
    asOverride === true && 'as-override',
    removePrivateAs &&
      `remove-private-AS${removePrivateAs.all ? ' all' : ''}${removePrivateAs.replace ? ' replace' : ''}`,
    prependLocalAsIn === true && 'local AS in front of what is heard',
    keepOwnAs === true && 'own AS behind the local one',
    allowOwnAs > 0 && `own AS allowed ${allowOwnAs} times`,
    clusterId && `cluster ${formatIp(clusterId)}`,
    clientToClient === false && 'no reflection between clients',
    aigp !== undefined && (aigp ? 'AIGP' : 'no AIGP'),
    allowsAsSets === true && 'AS_SET allowed',
    honoursGracefulShutdown === false && 'GRACEFUL_SHUTDOWN not honoured',
    nextHopOf?.ebgp && `next hop ${nextHopOf.ebgp} for eBGP paths`,
    nextHopOf?.ibgp && `next hop ${nextHopOf.ibgp} for iBGP paths`,
    nextHopIn === 'peer' && 'received paths lead to the peer',
  ];
  return words.filter((word) => typeof word === 'string');
}
