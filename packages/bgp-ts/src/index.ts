/** bgp-ts: BGP-4 messages as values and back, and the session state machine. No I/O, no timers, no state, no dependencies. */
export * from './attribute/attributes.ts';
export * from './bytes.ts';
export * from './capability/capability.ts';
export * from './context.ts';
export * from './errors.ts';
export * from './framing.ts';
export * from './iana.ts';
export * from './ip.ts';
export * from './message/types.ts';
export * from './nlri/nlri.ts';
export * from './nlri/table.ts';
export type { Brand, Result } from './result.ts';
