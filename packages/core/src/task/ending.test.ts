import { describe, expect, test } from 'vitest';
import { after, aTree, created, died, exited, reconciled, running, stop } from './samples.testsuite.ts';
import type { Command } from './commands.ts';
import type { Evidence, Failure, ProcessExit, TaskType } from './task.ts';

interface Case {
  readonly name: string;
  readonly exit?: Partial<ProcessExit> | 'dead';
  readonly evidence?: Evidence;
  readonly failure?: Failure;
  readonly tree?: 'unchanged' | Failure;
  readonly type?: TaskType;
  /** Recorded while the harness ran. */
  readonly stop?: 'cancel' | 'terminate' | 'kill';
  readonly ends: string;
  readonly message?: string;
}

const completed: Evidence = { result: 'completed' };
const decoder: Failure = { reason: 'decoder_failed', message: 'line 3' };
const unfreezable: Failure = { reason: 'workspace_unfreezable', message: 'fatal: bad index' };
const gone: Failure = { reason: 'workspace_gone', message: '/w is gone' };

/** The one cause of an attempt's end, most telling first. `submit` is the only way to a review. */
const cases: readonly Case[] = [
  { name: 'evidence and exit 0', evidence: completed, ends: 'submit' },
  { name: 'exit 0 alone never counts', ends: 'harness_failed', message: 'claude_code exited with code 0 but without its final result' },
  {
    name: 'evidence, and another exit code',
    evidence: completed,
    exit: { code: 1 },
    ends: 'harness_crashed',
    message: 'claude_code exited with code 1',
  },
  { name: 'a signal', exit: { code: null, signal: 'SIGSEGV' }, ends: 'harness_crashed', message: 'claude_code was ended by SIGSEGV' },
  { name: 'evidence and a signal', evidence: completed, exit: { code: null, signal: 'SIGKILL' }, ends: 'harness_crashed' },
  { name: 'no exit status at all', exit: { code: null }, ends: 'harness_crashed', message: 'claude_code exited with code unknown' },
  {
    name: 'a CLI that cannot be started',
    exit: { code: null, spawnError: 'ENOENT: no such file' },
    ends: 'harness_missing',
    message: 'ENOENT: no such file',
  },
  {
    name: 'failed by its own word',
    evidence: { result: 'failed' },
    ends: 'harness_failed',
    message: 'claude_code reported that it failed',
  },
  {
    name: 'failed by its own word, with a reason',
    evidence: { result: 'failed', reason: 'rate_limited', message: '429' },
    ends: 'rate_limited',
    message: '429',
  },
  {
    name: 'failed by its own word before a crash',
    evidence: { result: 'failed', reason: 'context_exhausted' },
    exit: { code: 1 },
    ends: 'context_exhausted',
  },
  {
    name: 'interrupted, by nobody here',
    evidence: { result: 'interrupted' },
    ends: 'harness_failed',
    message: 'claude_code reported that it was interrupted',
  },

  { name: 'lost', exit: 'dead', ends: 'lost', message: 'the process and its shim died without an ending' },
  { name: 'lost after its final evidence: its tree goes to the gates', exit: 'dead', evidence: completed, ends: 'submit' },
  {
    name: 'lost after it had failed by its own word',
    exit: 'dead',
    evidence: { result: 'failed', reason: 'transient_api_error' },
    ends: 'transient_api_error',
  },
  { name: 'lost while stopping', exit: 'dead', stop: 'cancel', ends: 'cancelled' },

  { name: 'time limit', exit: { code: 0, stop: 'timeout' }, evidence: completed, ends: 'timeout', message: 'the task used up its 3600 s' },
  {
    name: 'output limit',
    exit: { code: null, signal: 'SIGKILL', stop: 'output_limit' },
    ends: 'output_limit',
    message: 'the harness wrote more than 1000000 bytes',
  },
  {
    name: 'output limit, and gone before the shim looked',
    exit: { code: 0, lengths: { stdout: 1_000_001, stderr: 0 } },
    failure: decoder,
    ends: 'output_limit',
    message: 'the harness wrote more than 1000000 bytes',
  },
  {
    name: 'output limit of stderr',
    exit: { code: 1, lengths: { stdout: 0, stderr: 1_000_001 } },
    evidence: completed,
    ends: 'output_limit',
  },
  { name: 'output up to its limit', exit: { lengths: { stdout: 1_000_000, stderr: 1_000_000 } }, evidence: completed, ends: 'submit' },
  { name: 'output limit, gone, and a stop', exit: { lengths: { stdout: 1_000_001, stderr: 0 } }, stop: 'cancel', ends: 'cancelled' },
  {
    name: 'output limit while the daemon ended it for its decoder',
    exit: { stop: 'terminate', lengths: { stdout: 1_000_001, stderr: 0 } },
    failure: decoder,
    ends: 'decoder_failed',
  },
  { name: 'time limit, then a stop', exit: { stop: 'timeout' }, stop: 'kill', ends: 'timeout' },
  { name: 'output limit, then a stop', exit: { stop: 'output_limit' }, stop: 'cancel', ends: 'output_limit' },
  { name: 'time limit, and a tree that cannot be frozen', exit: { stop: 'timeout' }, tree: unfreezable, ends: 'timeout' },

  { name: 'cancel', exit: { code: null, signal: 'SIGINT', stop: 'cancel' }, stop: 'cancel', ends: 'cancelled' },
  { name: 'terminate', exit: { code: null, signal: 'SIGTERM', stop: 'terminate' }, stop: 'terminate', ends: 'terminated' },
  { name: 'kill switch', exit: { code: null, signal: 'SIGKILL', stop: 'kill' }, stop: 'kill', ends: 'killed' },
  { name: 'a stop that found the harness ended by itself', evidence: completed, stop: 'cancel', ends: 'cancelled' },
  { name: 'a stop, and a decoder that failed', stop: 'cancel', failure: decoder, ends: 'cancelled' },
  { name: 'a stop, and a tree that cannot be frozen', stop: 'cancel', tree: unfreezable, ends: 'cancelled' },

  { name: 'a decoder that failed', evidence: completed, failure: decoder, ends: 'decoder_failed', message: 'line 3' },
  {
    name: 'a decoder that failed, so the daemon ended the harness',
    exit: { code: null, signal: 'SIGTERM', stop: 'terminate' },
    failure: decoder,
    ends: 'decoder_failed',
  },
  {
    name: 'a tree that cannot be frozen',
    evidence: completed,
    tree: unfreezable,
    ends: 'workspace_unfreezable',
    message: 'fatal: bad index',
  },
  { name: 'a workspace that is gone', evidence: completed, tree: gone, ends: 'workspace_gone' },
  {
    name: 'a workspace that is gone, so nothing could be started in it',
    exit: { code: null, spawnError: 'ENOENT: /w' },
    tree: gone,
    ends: 'workspace_gone',
  },

  { name: 'no change, without a task type', evidence: completed, tree: 'unchanged', ends: 'submit' },
  ...(['implementation', 'debugging', 'refactoring', 'testing', 'documentation', 'configuration'] as const).map((type) => ({
    name: `no change: ${type}`,
    evidence: completed,
    tree: 'unchanged' as const,
    type,
    ends: 'no_change_made',
    message: `a ${type} task needs a change, and the workspace is as it was`,
  })),
  ...(['planning', 'code_review', 'security_audit'] as const).map((type) => ({
    name: `no change: ${type}`,
    evidence: completed,
    tree: 'unchanged' as const,
    type,
    ends: 'submit',
  })),
  { name: 'a change: debugging', evidence: completed, type: 'debugging', ends: 'submit' },
  { name: 'no change is not why it crashed', exit: { code: 1 }, tree: 'unchanged', type: 'debugging', ends: 'harness_crashed' },
];

describe('the one cause of an ending', () => {
  test.each(cases)('$name: $ends', ({ exit, evidence, failure, tree, type, stop: stopped, ends, message }) => {
    const facts: Command = {
      kind: 'reconciled',
      account: { turns: 3 },
      tree: tree === 'unchanged' ? aTree({ changed: false }) : (tree ?? aTree()),
      ...(evidence ? { evidence } : {}),
      ...(failure ? { failure } : {}),
    };
    const task = after(
      created(type ? { taskType: type } : {}),
      ...running,
      ...(stopped ? [stop(stopped)] : []),
      exit === 'dead' ? died() : exited('harness-1', exit),
      facts,
    );
    const [attempt] = task.attempts;
    expect(task.state === 'in_review' ? 'submit' : attempt?.failure?.reason).toBe(ends);
    if (message !== undefined) expect(attempt?.failure?.message).toBe(message);
    // Whatever the cause, what was used, said and made is kept.
    expect(attempt).toMatchObject({ account: { turns: 3 }, ...(evidence ? { evidence } : {}) });
    expect(attempt?.tree?.commit).toBe(typeof tree === 'object' ? undefined : 'c1');
  });

  test('is accounted for once', () => {
    const task = after(created(), ...running, exited(), reconciled());
    expect(task.attempts[0]).toMatchObject({ charged: true });
    expect(task.attempts[0]).not.toHaveProperty('live');
  });
});
