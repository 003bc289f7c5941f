import { type Clock, systemClock } from '../../lib/clock.ts';
import type { DesiredDatastore } from '../desired-state.ts';
import type { Datastore } from './datastore.ts';
import { DatastoreError } from './errors.ts';
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
      throw new DatastoreError({ code: 'unavailable', reason: 'Redis is not built in yet', outcome: 'not-done' });
  }
}
