import type { DesiredState } from '../../config/desired-state.ts';
import { sharedNode } from '../../config/shared.ts';
import type { ApiClusterNode, NodeReply } from '../../lib/api-cluster.ts';
import type { Clock } from '../../lib/clock.ts';
import type { NodeAddresses } from './addresses.ts';
import type { Cluster } from './cluster.ts';

/** What this view reads. */
export interface NodeParts {
  readonly clock: Clock;
  readonly cluster: Cluster | undefined;
  readonly addresses: Pick<NodeAddresses, 'reply'>;
  state(): DesiredState;
}

/** This node, its store and registration, and every node that registered. */
export function nodeReply({ cluster, clock, addresses, state }: NodeParts): NodeReply {
  const { node, datastore } = state();
  const own = sharedNode(node);
  const now = clock.wallMs();
  const nodes = (cluster?.nodes.nodes() ?? []).map(({ registration, goneSinceMs }): ApiClusterNode => {
    const { machine: _, startedMs, version, asNumber, ...rest } = registration;
    const gone = goneSinceMs === undefined ? {} : { goneSeconds: (now - goneSinceMs) / 1000 };
    return { ...rest, asn: asNumber, version, startedAt: new Date(startedMs).toISOString(), ...gone };
  });
  const registered = cluster?.registrar.state;
  const { asNumber, ...rest } = own;
  return {
    node: { ...rest, asn: asNumber },
    addresses: addresses.reply(state()),
    store: {
      type: cluster === undefined ? 'none' : datastore.place.type === 'redis' ? 'redis' : 'sqlite',
      ...(cluster?.problem === undefined ? {} : { problem: cluster.problem }),
    },
    registration: {
      state: registered?.type ?? 'none',
      ...(registered !== undefined && 'reason' in registered ? { reason: registered.reason } : {}),
      ...(registered?.type === 'registered' ? { sinceSeconds: (now - registered.sinceMs) / 1000 } : {}),
    },
    nodes,
  };
}
