import type { CommandContext } from './context.ts';
import { CniCode, CniError } from './spec.ts';

/**
 * STATUS: whether an ADD could be served. Code 50 makes the node NotReady with our message, so it is about the node
 * itself and never about how full its blocks are: that is a matter of the scheduler, pod by pod.
 * @throws CniError 50
 */
export function status(context: CommandContext): void {
  const families = context.ipam.families();
  if (!families.ipv4 && !families.ipv6) {
    throw new CniError(
      CniCode.NotAvailable,
      'this node has no pod address block yet',
      'podrouted runs, but its configuration gives this node no block to take pod addresses from.',
    );
  }
  try {
    context.ipam.probe();
  } catch (error) {
    if (!(error instanceof CniError)) throw error;
    throw new CniError(CniCode.NotAvailable, error.message, error.details, { cause: error });
  }
}
