/** Adds one to `n` in the file named first, as often as said second: the other process of sqlite.test.ts. */

import { isProblem } from '../../../../config/datastore/errors.ts';
import { SqliteDatastore } from '../../../../config/datastore/sqlite.ts';

const [path = '', times = '0'] = process.argv.slice(2);
const store = new SqliteDatastore(path);
for (let done = 0; done < Number(times); ) {
  const entry = await store.get('n');
  const value = `${Number(entry?.value ?? '0') + 1}`;
  try {
    await store.commit([{ type: 'put', key: 'n', value, expect: entry?.revision ?? 'absent' }]);
    done += 1;
  } catch (error) {
    if (!isProblem(error, 'conflict')) throw error;
  }
}
await store.close();
