import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { killSwitchCases } from '../kill-switches.testsuite.ts';
import { ledgerCases } from '../ledger.testsuite.ts';
import { metricCases } from '../metrics.testsuite.ts';
import { outboxCases } from '../outbox.testsuite.ts';
import { queryCases } from '../queries.testsuite.ts';
import type { StoreFixture } from '../samples.testsuite.ts';
import { storeCases } from '../store.testsuite.ts';
import { openSqlite } from './index.ts';

async function makeStore(): Promise<StoreFixture> {
  const folder = mkdtempSync(join(tmpdir(), 'singletree-'));
  const open = () => openSqlite({ path: join(folder, 'singletree.db'), newId: randomUUID });
  let stores = open();
  return {
    get store() {
      return stores.store;
    },
    get outbox() {
      return stores.outbox;
    },
    get metrics() {
      return stores.metrics;
    },
    async reopen() {
      await stores.store.close();
      stores = open();
    },
    async [Symbol.asyncDispose]() {
      await stores.store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

describe.each([
  ['store', storeCases],
  ['queries', queryCases],
  ['usage ledger', ledgerCases],
  ['outbox', outboxCases],
  ['metric totals', metricCases],
  ['kill switches', killSwitchCases],
])('%s', (_, cases) => {
  test.each(cases.map(({ name, run }) => [name, run] as const))('%s', (_, run) => run(makeStore));
});
