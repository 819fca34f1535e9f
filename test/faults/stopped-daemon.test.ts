import { expect, test, vi } from 'vitest';
import { Limits, spaceLimits, timeLimits, type LimitCase } from '../support/faults-limits.ts';
import { mayMount } from '../support/faults-small-disk.ts';

/** Several daemons and their agents at once: each takes its time on a busy machine. */
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

/**
 * The shim holds every limit by itself: while the daemon is stopped and while there is none, an agent is ended as always, and the daemon that goes
 * on finds the one cause.
 */

/** Long enough for all agents to be at work on a busy machine before the first is over. */
const limitMs = 8_000;

/** Those last whose time begins with their process. */
const cases: readonly LimitCase[] = [
  ...spaceLimits,
  {
    reason: 'unsupervised',
    stop: 'unsupervised',
    task: { limits: { maxTurns: 100 }, retry: [{ reason: 'unsupervised', retry: false }] },
    steps: () => [{ hang: true }],
  },
  ...timeLimits(limitMs),
];
const configuration = { supervision: { containment: 'marker', unsupervised_limit: '4s' } };

const part = mayMount ? '' : ' (but for that of the disk: mounting needs root)';

test.concurrent(`every limit holds while the daemon is stopped, and each task has its one cause when it goes on${part}`, async () => {
  await using limits = await Limits.begin(cases, { configuration });
  const { daemon } = limits;
  process.kill(daemon.pid, 'SIGSTOP');
  limits.expectAllAtWork();
  limits.go();
  await limits.expectEndings();
  process.kill(daemon.pid, 'SIGCONT');
  await limits.expectOutcomes(daemon.client());
  expect(daemon.hasEnded).toBe(false);
});

test.concurrent(`every limit holds while there is no daemon, and the next one finds the causes${part}`, async () => {
  await using limits = await Limits.begin(cases, { configuration });
  const { daemon } = limits;
  await daemon.kill();
  limits.expectAllAtWork();
  limits.go();
  await limits.expectEndings();
  await limits.expectOutcomes(await daemon.start());
});
