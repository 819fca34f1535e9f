import { defineConfig, type ViteUserConfig } from 'vitest/config';
import { compileCache } from './test/support/compile-cache.ts';

const env = { NODE_COMPILE_CACHE: compileCache };

const config: ViteUserConfig = defineConfig({
  test: {
    // One for each core: much of the time is waiting for processes, and vitest would keep one core free.
    maxWorkers: 2,
    reporters: ['default', './tools/reporter.ts'],
    coverage: { include: ['packages/*/src/**/*.ts'], exclude: ['packages/protocol/src/gen/**', '**/fixtures/**', '**/*.testsuite.ts'] },
    projects: [
      { test: { name: 'checks', include: ['tools/**/*.test.ts'], testTimeout: 300_000 } },
      // Ten times what the slowest takes alone: other people's machines are busy.
      { test: { name: 'unit', include: ['packages/*/src/**/*.test.ts'], testTimeout: 30_000, env } },
      // After the others: kills and waits are timed, and 2 cores are soon full.
      {
        test: {
          name: 'end to end',
          include: ['test/**/*.test.ts'],
          globalSetup: './test/support/bundle.ts',
          testTimeout: 60_000,
          hookTimeout: 60_000,
          env,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});

export default config;
