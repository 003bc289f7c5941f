import { type Prefix, prefixEquals } from 'bgp-ts';
import type { ExplainKernel } from '../lib/api-explain.ts';
import type { PathView } from '../rib/types.ts';
import type { ForwardingReading, KernelDifferenceReading, KernelRouteReading } from './control.ts';

/** Tables up to this size are read for one explanation; of larger ones the notifications have to do. */
const MAX_COMPARED = 50_000;

/** A kernel route in words, as `ip route` would print it. */
export type RouteWords = (route: {
  readonly kind: string;
  readonly nextHops: KernelRouteReading['nextHops'];
}) => string;

/**
 * What the kernel holds for a prefix, against what it should hold.
 * @param best the selected path, undefined if there is none
 */
export async function explainKernel(
  forwarding: ForwardingReading | undefined,
  prefix: Prefix,
  best: PathView | undefined,
  words: RouteWords,
): Promise<ExplainKernel> {
  if (forwarding === undefined) {
    return { state: 'not-written', reason: 'no-kernel', text: 'this speaker writes no kernel routes', compared: false };
  }
  const isRead = forwarding.count() <= MAX_COMPARED;
  const differences = isRead ? (await forwarding.check()).filter((one) => prefixEquals(one.prefix, prefix)) : [];
  const routes = forwarding.listOf(prefix);
  const [route] = routes.filter(({ state }) => state !== 'orphan');
  const [difference] = differences;
  // What failed, or waits, is known to be missing: the reason says more.
  const isExplained = route !== undefined && route.state !== 'installed';
  if (difference !== undefined && !isExplained) return explainDifference(difference, isRead, words);
  if (route !== undefined) return explainRoute(route, best, isRead, words);
  const [orphan] = routes;
  if (orphan !== undefined) {
    const text = 'a route found at start, which nobody has announced so far';
    return { state: 'extra', text, found: words(orphan), compared: isRead };
  }
  if (best === undefined) return { state: 'none', text: 'no route of ours, and none is wanted', compared: isRead };
  if (best.source !== 'bgp') {
    const text = 'originated here: the routes to pods and interfaces of this node serve it';
    return { state: 'not-written', reason: 'local-origin', text, compared: isRead };
  }
  if (forwarding.isNeverInstalled(prefix)) {
    const text = 'the configuration keeps it out of the kernel (neverInstall)';
    return { state: 'not-written', reason: 'never-installed', text, compared: isRead };
  }
  if (!forwarding.isConverged()) return { state: 'pending', text: 'on its way', compared: isRead };
  const text = 'the kernel has no way to its next hop';
  return { state: 'not-written', reason: 'next-hop-unresolved', text, compared: isRead };
}

function explainDifference(difference: KernelDifferenceReading, compared: boolean, words: RouteWords): ExplainKernel {
  const { type, wanted, found } = difference;
  const texts = {
    missing: 'the route is wanted and the kernel does not have it; it is written again',
    different: 'the kernel has another route than wanted; it is written again',
    unexpected: 'the kernel has a route of ours that is not wanted; it is removed',
  } as const;
  return {
    state: type === 'unexpected' ? 'extra' : type,
    text: texts[type],
    ...(wanted === undefined ? {} : { wanted: words(wanted) }),
    ...(found === undefined ? {} : { found: words(found) }),
    compared,
  };
}

function explainRoute(
  route: KernelRouteReading,
  best: PathView | undefined,
  compared: boolean,
  words: RouteWords,
): ExplainKernel {
  const text = words(route);
  switch (route.state) {
    case 'installed': {
      const what =
        best?.source === 'bgp' || route.kind === 'unicast' ? 'as wanted' : 'as wanted, below more specific ones';
      return { state: 'same', text: what, wanted: text, found: text, compared };
    }
    case 'pending':
      return { state: 'pending', text: 'on its way', wanted: text, compared };
    case 'failed': {
      const why = route.error === undefined ? '' : `: ${route.error.text}`;
      return { state: 'failed', text: `the kernel refused it${why}; it is tried again`, wanted: text, compared };
    }
    case 'conflict':
      return {
        state: 'conflict',
        text: `a route of another program holds this prefix with metric ${route.metric}; ours goes in when that one is gone`,
        wanted: text,
        compared,
      };
    case 'orphan':
      return { state: 'extra', text: 'found at start, wanted by nobody so far', found: text, compared };
  }
}
