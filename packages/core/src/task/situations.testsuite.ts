import type { Command } from './commands.ts';
import {
  aGate,
  after,
  claim,
  created,
  died,
  errored,
  exited,
  failed,
  openWorkspace,
  owned,
  passed,
  reconciled,
  setBase,
  silent,
  start,
  stop,
} from './samples.testsuite.ts';
import type { Task } from './task.ts';

export const setup: Extract<Command, { kind: 'open_process' }> = {
  kind: 'open_process',
  role: 'setup',
  ordinal: 0,
  directory: 'setup-1-0',
};
export const firstGate: Extract<Command, { kind: 'open_process' }> = {
  kind: 'open_process',
  role: 'gate',
  ordinal: 0,
  directory: 'gate-1-0',
};
export const block: Command = { kind: 'block', reason: 'quota_exhausted', message: 'no quota' };
export const cancel: Command = stop('cancel');

const atCreated = created({ setup: ['npm ci'], gates: [aGate('test'), aGate('lint', { required: false })] });
const atOpened = after(atCreated, claim, openWorkspace);
const atSetup = after(atOpened, setup);
const atMade = after(atSetup, exited('setup-1-0'));
const atReady = after(atMade, setBase);
const atStarted = after(atReady, start());
const atRunning = after(atStarted, owned());
const atEnded = after(atRunning, exited());
const atReview = after(atEnded, reconciled());
const atGate = after(atReview, firstGate);

/** Each state, and within it everything that a command may find: a process or none, a stop or none, a lease or none. */
export const situations: Readonly<Record<string, Task>> = {
  created: atCreated,
  'created, backing off': after(atEnded, silent()),
  assigned: after(atCreated, claim),
  'assigned, workspace': atOpened,
  'assigned, setup open': atSetup,
  'assigned, setup stopping': after(atSetup, owned('setup-1-0'), cancel),
  'assigned, setup passed': atMade,
  'assigned, base': atReady,
  'running, not owned': atStarted,
  running: atRunning,
  'running, stopping': after(atRunning, cancel),
  'running, ended': atEnded,
  'running, ended, stop': after(atEnded, cancel),
  'running, lost': after(atRunning, died()),
  review: atReview,
  'review, gate open': atGate,
  'review, gate stopping': after(atGate, owned('gate-1-0'), cancel),
  'review, green': after(atReview, passed, passed),
  'review, optional red': after(atReview, passed, failed),
  'review, red': after(atReview, failed, passed),
  'review, errored': after(atReview, errored, passed),
  'review, no lease': after(atReview, block, { kind: 'unblock' }),
  blocked: after(atCreated, block),
  'blocked in review': after(atReview, block),
  completed: after(atReview, passed, passed, { kind: 'judged' }),
  failed: after(atCreated, stop('kill')),
  cancelled: after(atCreated, cancel),
};
