import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Ipam } from './ipam/ipam.ts';
import type { Attachment, AttachmentKey } from './ipam/store.ts';
import { CniCode, CniError } from './spec.ts';
import { type WireRequest, type Wiring, WiringError } from './wiring.ts';

/**
 * The points between two steps of ADD and DEL at which a crash leaves something half made. Tests kill the process
 * there; `attached` and `detached` are the ends of the two commands.
 */
export type StepPoint = 'intent' | 'wired' | 'attached' | 'detach-intent' | 'unwired' | 'detached';

/** What the commands work with. */
export interface CommandContext {
  readonly ipam: Ipam;
  readonly wiring: Wiring;
  readonly clock: Clock;
  readonly log: Logger;
  /** MTU in octets for configurations that name none; nothing means detected. */
  readonly mtu?: number;
  /** Called between steps; does nothing outside tests. */
  step(point: StepPoint, key: AttachmentKey): void;
  /** Waits for more blocks where there is no free address left. @returns false when there are none to be had in time */
  moreAddresses(): Promise<boolean>;
  attached(attachment: Attachment): void;
  detached(attachment: Attachment): void;
}

/** What the kernel is asked for, given what the store says. */
export function wireRequestOf(attachment: Attachment, addresses: WireRequest['addresses']): WireRequest {
  return {
    containerId: attachment.containerId,
    network: attachment.network,
    ifName: attachment.ifName,
    hostIfName: attachment.hostIfName,
    netns: attachment.netns,
    addresses,
    ...(attachment.mtu === undefined ? {} : { mtu: attachment.mtu }),
    defaultRoutes: attachment.defaultRoutes,
  };
}

/** A failure of the kernel in the words of the specification. */
export function wiringFailure(error: unknown): CniError {
  if (error instanceof CniError) return error;
  if (!(error instanceof WiringError)) {
    return new CniError(CniCode.Internal, 'podrouted failed unexpectedly', String(error), { cause: error });
  }
  const detail = error.detail;
  switch (detail.code) {
    case 'no-namespace':
      return new CniError(
        CniCode.InvalidEnvironment,
        `the pod's network namespace ${detail.netns} cannot be used`,
        error.message,
        { cause: error },
      );
    case 'interface-exists':
      return new CniError(
        CniCode.InvalidEnvironment,
        `the pod already has an interface ${detail.ifName}`,
        'Another network plugin made it, or the pod was never removed; podroute replaces no interface that it did not make.',
        { cause: error },
      );
    case 'refused':
      return new CniError(CniCode.WiringFailed, `the pod's network could not be set up: ${error.message}`, '', {
        cause: error,
      });
  }
}
