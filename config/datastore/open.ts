import { readFileSync } from 'node:fs';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/result.ts';
import type { DesiredDatastore, DesiredRedis } from '../desired-state.ts';
import type { Datastore } from './datastore.ts';
import { DatastoreError } from './errors.ts';
import type { HostPort, RedisSettings } from './redis.ts';
import { SqliteDatastore } from './sqlite.ts';

/**
 * Opens the store that the configuration names.
 * @param defaultPath of the SQLite file where the configuration names none
 * @throws DatastoreError when its file cannot be opened; a server that does not answer is no error here
 */
export async function openDatastore(
  place: DesiredDatastore['place'],
  defaultPath: string,
  clock: Clock = systemClock,
): Promise<Datastore> {
  switch (place.type) {
    case 'default':
      return new SqliteDatastore(defaultPath, { clock });
    case 'sqlite':
      return new SqliteDatastore(place.path ?? defaultPath, { clock });
    case 'redis':
      return openRedis(place, clock);
  }
}

/** @throws DatastoreError `denied` when a file with a secret cannot be read: without it nothing is tried */
async function openRedis(place: DesiredRedis, clock: Clock): Promise<Datastore> {
  // Only who uses Redis pays for loading its client.
  const { RedisDatastore } = await import('./redis.ts');
  const { username, passwordFile, tls } = place;
  const url = place.url === undefined ? undefined : new URL(place.url);
  const db = url === undefined || url.pathname.length < 2 ? undefined : Number(url.pathname.slice(1));
  return new RedisDatastore({
    clock,
    place: placeOf(place, url, db),
    ...(username === undefined ? {} : { username }),
    ...(passwordFile === undefined ? {} : { password: readSecret(passwordFile) }),
    ...(tls === undefined && url?.protocol !== 'rediss:'
      ? {}
      : {
          tls: {
            ...(tls?.caFile === undefined ? {} : { ca: readSecret(tls.caFile) }),
            ...(tls?.certFile === undefined ? {} : { cert: readSecret(tls.certFile) }),
            ...(tls?.keyFile === undefined ? {} : { key: readSecret(tls.keyFile) }),
            ...(tls?.serverName === undefined ? {} : { serverName: tls.serverName }),
          },
        }),
  });
}

function placeOf(place: DesiredRedis, url: URL | undefined, db: number | undefined): RedisSettings['place'] {
  const { sentinels, masterName, cluster } = place;
  if (cluster !== undefined) return { type: 'cluster', nodes: cluster.map(hostPort) };
  if (sentinels !== undefined) {
    return { type: 'sentinel', sentinels: sentinels.map(hostPort), masterName: masterName ?? '' };
  }
  const at = url === undefined ? { host: '127.0.0.1', port: REDIS_PORT } : hostPort(url.host);
  return { type: 'server', at, ...(db === undefined ? {} : { db }) };
}

const REDIS_PORT = 6379;

/** `HOST:PORT`, as the configuration checked it. */
function hostPort(text: string): HostPort {
  const { hostname, port } = new URL(`redis://${text}`);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? REDIS_PORT : Number(port) };
}

function readSecret(path: string): string {
  try {
    const text = readFileSync(path, 'utf8').replace(/\r?\n$/, '');
    if (text !== '') return text;
  } catch (error) {
    throw new DatastoreError({ code: 'denied', reason: `${path} cannot be read: ${errorMessage(error)}` });
  }
  throw new DatastoreError({ code: 'denied', reason: `${path} is empty` });
}
