import { DatastoreError } from '../../config/datastore/errors.ts';
import { ControlError } from '../api/control-surface.ts';

/** What the store refuses is no bug. @throws ControlError `unavailable` in place of what the store says */
export async function orUnavailable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DatastoreError) throw new ControlError('unavailable', error.message);
    throw error;
  }
}
