import { defineConfig, type ViteUserConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { compileCache } from './test/support/compile-cache.ts';

const supervision = 'packages/core/src/supervision/**/*.test.ts';
const backends = 'test/backends/**/*.test.ts';
const env = { NODE_COMPILE_CACHE: compileCache };

/** The others have ended long before this one, where it is begun last; by its size it would be. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const { longest = [], others = [] } = Object.groupBy(await super.sort(files), ({ moduleId }) =>
      moduleId.endsWith('/chaos/load.test.ts') ? 'longest' : 'others',
    );
    return [...longest, ...others];
  }
}

const config: ViteUserConfig = defineConfig({
  test: {
    // One for each core: much of the time is waiting for processes, and vitest would keep one core free.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    reporters: ['default', './tools/reporter.ts'],
    coverage: { include: ['packages/*/src/**/*.ts'], exclude: ['packages/protocol/src/gen/**', '**/fixtures/**', '**/*.testsuite.ts'] },
    projects: [
      { test: { name: 'checks', include: ['tools/**/*.test.ts'], testTimeout: 300_000 } },
      // Ten times what the slowest takes alone: other people's machines are busy. Files share their process: to load what all of them import
      // for each one anew would be a third of their CPU.
      {
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts'],
          exclude: [supervision],
          testTimeout: 30_000,
          env,
          isolate: false,
          restoreMocks: true,
          unstubEnvs: true,
          unstubGlobals: true,
        },
      },
      // A process for each file: they look for what is left of those that theirs has started.
      { test: { name: 'supervision', include: [supervision], testTimeout: 30_000, env } },
      // After the others: kills and waits are timed, and 2 cores are soon full.
      {
        test: {
          name: 'end to end',
          include: ['test/**/*.test.ts'],
          exclude: ['**/node_modules/**', backends],
          globalSetup: './test/support/bundle.ts',
          testTimeout: 60_000,
          hookTimeout: 60_000,
          env,
          sequence: { groupOrder: 1 },
          // More than cores: an end-to-end test waits for half of its time.
          maxWorkers: 3,
        },
      },
      // Only by `pnpm test:backends`: the real receivers have to be built first, which takes minutes and a network.
      ...(process.env['SINGLETREE_TEST_BACKENDS'] === '1'
        ? [
            {
              test: {
                name: 'backends',
                include: [backends],
                globalSetup: ['./test/support/bundle.ts', './test/backends/support/installed.ts'],
                testTimeout: 120_000,
                hookTimeout: 120_000,
                env,
              },
            },
          ]
        : []),
    ],
  },
});

export default config;
