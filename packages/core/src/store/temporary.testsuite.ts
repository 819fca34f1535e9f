import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { openSqlite, type SqliteStores } from './sqlite/index.ts';
import type { Store } from './store.ts';

/** Both ports on a database of the test file's own, gone with its last test. */
export function temporaryStore(): SqliteStores {
  const folder = mkdtempSync(join(tmpdir(), 'singletree-store-'));
  const stores = openSqlite({ path: join(folder, 'singletree.db'), newId: randomUUID });
  afterAll(async () => {
    await stores.store.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return stores;
}

/** A store some of whose methods are others. */
export function storeWith(store: Store, others: Partial<Store>): Store {
  return new Proxy(store, { get: (target, key: keyof Store) => others[key] ?? target[key].bind(target) });
}
