import type { Client } from './client.ts';
import type { TableStyle } from './format.ts';
import type { Terminal } from './terminal.ts';

/** What a command works with. */
export interface Context {
  readonly client: Client;
  readonly terminal: Terminal;
  /** Print the documented JSON and nothing else. */
  readonly json: boolean;
}

/** Prints a reply: as JSON, or the way `format` puts it. */
export async function print<T>(
  context: Context,
  reply: T,
  format: (reply: T, style: TableStyle) => string,
): Promise<void> {
  if (context.json) await context.terminal.write(`${JSON.stringify(reply, null, 2)}\n`);
  else await context.terminal.write(format(reply, styleOf(context)));
}

/** How tables look on this terminal. */
export function styleOf(context: Context): TableStyle {
  return { columns: context.terminal.columns, hasColours: context.terminal.hasColours };
}

/** Path of a peer's resource; names may have slashes in them. */
export function peerPath(peer: string, action?: string): string {
  return `/v1/peers/${encodeURIComponent(peer)}${action === undefined ? '' : `/${action}`}`;
}
