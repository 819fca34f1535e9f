import { describe, expect, test } from 'vitest';
import { aGate, after, aTree, created, died, exited, reconciled, running, stop } from './samples.testsuite.ts';
import type { Command } from './commands.ts';
import type { Evidence, Failure, LiveProgress, ProcessExit, TaskType } from './task.ts';

interface Case {
  readonly name: string;
  readonly exit?: Partial<ProcessExit> | 'dead';
  readonly evidence?: Evidence;
  readonly failure?: Failure;
  readonly tree?: 'unchanged' | Failure;
  readonly type?: TaskType;
  /** A required gate, or one that the task does not need. */
  readonly gate?: 'required' | 'optional';
  readonly concern?: string;
  /** Recorded while the harness ran. */
  readonly stop?: 'cancel' | 'terminate' | 'kill';
  readonly ends: string;
  readonly message?: string;
}

const completed: Evidence = { result: 'completed' };
const decoder: Failure = { reason: 'decoder_failed', message: 'line 3' };
const unfreezable: Failure = { reason: 'workspace_unfreezable', message: 'fatal: bad index' };
const killed = { code: null, signal: 'SIGKILL' } as const;
const limits = { timeoutMs: 3_600_000, maxOutputBytes: 1_000_000, maxAttempts: 3, attemptTimeoutMs: 60_000, firstOutputMs: 200 };
const moreLimits = { stallMs: 5_000, maxTurns: 9, maxTokens: 7, minFreeBytes: 1_024 };
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
    message: 'claude_code exited with code 1 after its final result',
  },
  { name: 'a signal', exit: { code: null, signal: 'SIGSEGV' }, ends: 'harness_crashed', message: 'claude_code was ended by SIGSEGV' },
  { name: 'evidence and a signal', evidence: completed, exit: { code: null, signal: 'SIGKILL' }, ends: 'harness_crashed' },
  { name: 'no exit status at all', exit: { code: null }, ends: 'harness_crashed', message: 'claude_code exited with code unknown' },
  {
    name: 'a CLI that cannot be started',
    exit: { code: null, spawnError: 'ENOENT: no such file' },
    ends: 'harness_missing',
    message: 'claude_code could not be started: ENOENT: no such file; look at: singletree harnesses',
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

  { name: 'a false error after success goes to the gates', evidence: completed, exit: { code: 1 }, gate: 'required', ends: 'submit' },
  { name: 'a signal after success goes to the gates', evidence: completed, exit: killed, gate: 'required', ends: 'submit' },
  {
    name: 'a false error after success, and no gate that must pass',
    evidence: completed,
    exit: { code: 1 },
    gate: 'optional',
    ends: 'harness_crashed',
  },
  {
    name: 'failed without a reason, and a signal',
    evidence: { result: 'failed', message: 'oops' },
    exit: killed,
    ends: 'harness_crashed',
    message: 'claude_code was ended by SIGKILL: oops',
  },
  {
    name: 'failed with a reason, and a signal',
    evidence: { result: 'failed', reason: 'rate_limited' },
    exit: killed,
    ends: 'rate_limited',
  },
  {
    name: 'interrupted by a signal, by nobody here',
    evidence: { result: 'interrupted' },
    exit: { code: null, signal: 'SIGINT' },
    ends: 'harness_crashed',
    message: 'claude_code was ended by SIGINT: claude_code reported that it was interrupted',
  },

  {
    name: 'out of memory, as its cgroup tells',
    exit: { ...killed, outOfMemory: true },
    ends: 'out_of_memory',
    message:
      'claude_code was ended by the kernel, which had no memory left for it; let fewer tasks run at once, or give the machine more memory',
  },
  { name: 'out of memory by its exit code', exit: { code: 137, outOfMemory: true }, ends: 'out_of_memory' },
  {
    name: 'out of memory, in its own words too',
    exit: { code: 1, outOfMemory: true },
    evidence: { result: 'failed' },
    ends: 'out_of_memory',
  },
  { name: 'a tool that was out of memory, and an agent that went on', exit: { outOfMemory: true }, evidence: completed, ends: 'submit' },
  {
    name: 'out of memory after success goes to the gates',
    exit: { ...killed, outOfMemory: true },
    evidence: completed,
    gate: 'required',
    ends: 'submit',
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

  {
    name: 'time limit',
    exit: { code: 0, stop: 'timeout' },
    evidence: completed,
    ends: 'timeout',
    message: 'the task used up its 3600 s; raise the limit timeout, or split the task',
  },
  {
    name: 'output limit',
    exit: { code: null, signal: 'SIGKILL', stop: 'output_limit' },
    ends: 'output_limit',
    message: 'the harness wrote more than 1000000 bytes; raise the limit max_output',
  },
  {
    name: 'output limit, and gone before the shim looked',
    exit: { code: 0, lengths: { stdout: 1_000_001, stderr: 0 } },
    failure: decoder,
    ends: 'output_limit',
    message: 'the harness wrote more than 1000000 bytes; raise the limit max_output',
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
  {
    name: 'time limit of the attempt',
    exit: { ...killed, stop: 'attempt_timeout' },
    evidence: completed,
    ends: 'attempt_timeout',
    message: 'the attempt took longer than 60 s; raise the limit attempt_timeout, or split the task',
  },
  {
    name: 'no first byte',
    exit: { ...killed, stop: 'first_output' },
    ends: 'no_first_output',
    message: 'claude_code wrote nothing within 0.2 s; if its model is only slow, raise the limit first_output',
  },
  {
    name: 'silence',
    exit: { ...killed, stop: 'stall' },
    ends: 'stalled',
    message: 'claude_code wrote nothing for 5 s; if it is only slow, raise the limit stall',
  },
  {
    name: 'silence after success',
    exit: { ...killed, stop: 'stall' },
    evidence: completed,
    ends: 'harness_never_ended',
    message: 'claude_code gave its final result but did not end, and was stopped',
  },
  {
    name: 'silence after success goes to the gates',
    exit: { ...killed, stop: 'stall' },
    evidence: completed,
    gate: 'required',
    ends: 'submit',
  },
  {
    name: 'silence after success, and nothing to judge',
    exit: { ...killed, stop: 'stall' },
    evidence: completed,
    gate: 'required',
    tree: unfreezable,
    ends: 'harness_never_ended',
  },
  {
    name: 'silence after it had failed by its own word',
    exit: { ...killed, stop: 'stall' },
    evidence: { result: 'failed', reason: 'quota_exhausted', message: 'no credit' },
    ends: 'quota_exhausted',
    message: 'no credit',
  },
  {
    name: 'silence after it had failed, it did not say why',
    exit: { ...killed, stop: 'stall' },
    evidence: { result: 'failed' },
    ends: 'harness_never_ended',
  },
  { name: 'a hang after success', exit: { ...killed, stop: 'never_ended' }, evidence: completed, ends: 'harness_never_ended' },
  {
    name: 'a hang after success goes to the gates',
    exit: { code: 0, stop: 'never_ended' },
    evidence: completed,
    gate: 'required',
    ends: 'submit',
  },
  {
    name: 'an interruption after success, by the stop for its hang, goes to the gates',
    exit: { code: 0, stop: 'never_ended' },
    evidence: { result: 'interrupted', afterCompleted: true },
    gate: 'required',
    ends: 'submit',
  },
  {
    name: 'silence that ended in an interruption, by the stop',
    exit: { code: 0, stop: 'stall' },
    evidence: { result: 'interrupted' },
    gate: 'required',
    ends: 'stalled',
  },
  {
    name: 'an error after success',
    exit: { code: 1 },
    evidence: { result: 'failed', message: 'session lost', afterCompleted: true },
    ends: 'harness_failed',
    message: 'claude_code said that it was done, and then: session lost',
  },
  {
    name: 'an error after success, with a reason',
    evidence: { result: 'failed', reason: 'transient_api_error', message: '529', afterCompleted: true },
    ends: 'transient_api_error',
    message: 'claude_code said that it was done, and then: 529',
  },
  {
    name: 'an error after success goes to the gates',
    exit: { code: 1 },
    evidence: { result: 'failed', reason: 'unauthenticated', afterCompleted: true },
    gate: 'required',
    ends: 'submit',
  },
  { name: 'a hang after a result that it took back', exit: { ...killed, stop: 'never_ended' }, ends: 'harness_never_ended' },
  {
    name: 'a hang after success that changed nothing',
    exit: { ...killed, stop: 'never_ended' },
    evidence: completed,
    gate: 'required',
    tree: 'unchanged',
    type: 'testing',
    ends: 'no_change_made',
  },
  {
    name: 'a full disk',
    exit: { ...killed, stop: 'disk_full' },
    ends: 'disk_full',
    message: 'less than 1024 bytes were free on a disk that claude_code writes to; free some space, or lower the limit min_free_disk',
  },
  {
    name: 'too many turns',
    exit: { ...killed, stop: 'turn_limit' },
    ends: 'turn_limit',
    message: 'the task used up its 9 model calls; raise the limit max_turns, or split the task',
  },
  {
    name: 'too many tokens',
    exit: { ...killed, stop: 'token_limit' },
    concern: 'so much of so much',
    ends: 'token_limit',
    message: 'so much of so much; raise the limit max_tokens, or split the task',
  },
  {
    name: 'too many tokens, without a word of how much',
    exit: { ...killed, stop: 'token_limit' },
    ends: 'token_limit',
    message: 'the task used up its 7 tokens; raise the limit max_tokens, or split the task',
  },
  {
    name: 'too much money',
    exit: { ...killed, stop: 'cost_limit' },
    concern: 'so much of so much',
    ends: 'cost_limit',
    message: 'so much of so much; raise the limit on its cost, declare prices that are not known, or split the task',
  },
  {
    name: 'too much money, without a word of how much',
    exit: { ...killed, stop: 'cost_limit' },
    ends: 'cost_limit',
    message:
      'the task used up the money that it may cost; raise the limit on its cost, declare prices that are not known, or split the task',
  },
  {
    name: 'too full a context',
    exit: { ...killed, stop: 'context_limit' },
    concern: 'so much of so much',
    ends: 'context_exhausted',
    message: 'so much of so much; give the task less context, or split it',
  },
  {
    name: 'too full a context, without a word of how much',
    exit: { ...killed, stop: 'context_limit' },
    ends: 'context_exhausted',
    message: 'the context was fuller than the task allows; give the task less context, or split it',
  },
  {
    name: 'the same again and again',
    exit: { ...killed, stop: 'no_progress' },
    concern: 'the same call 20 times',
    ends: 'no_progress',
    message: 'the same call 20 times; its log shows where; say in the instructions what it should do instead',
  },
  {
    name: 'the same again and again, without a word of what',
    exit: { ...killed, stop: 'no_progress' },
    ends: 'no_progress',
    message: 'claude_code went in circles; its log shows where; say in the instructions what it should do instead',
  },
  {
    name: 'no daemon for too long',
    exit: { ...killed, stop: 'unsupervised' },
    ends: 'unsupervised',
    message: 'no daemon was there to hold claude_code to its limits; keep a daemon running, or raise supervision.unsupervised_limit',
  },
  {
    name: 'a daemon that could not go on',
    exit: { ...killed, stop: 'given_up' },
    ends: 'internal',
    message: "the daemon could not go on with the process and ended it; the daemon's log says more",
  },
  { name: 'an end that nobody recorded', exit: { ...killed, stop: 'terminate' }, ends: 'internal' },
  { name: 'the silence of an attempt, then a stop', exit: { ...killed, stop: 'stall' }, stop: 'cancel', ends: 'stalled' },

  { name: 'time limit, then a stop', exit: { stop: 'timeout' }, stop: 'kill', ends: 'timeout' },
  { name: 'output limit, then a stop', exit: { stop: 'output_limit' }, stop: 'cancel', ends: 'output_limit' },
  { name: 'time limit, and a tree that cannot be frozen', exit: { stop: 'timeout' }, tree: unfreezable, ends: 'timeout' },

  { name: 'cancel', exit: { code: null, signal: 'SIGINT', stop: 'cancel' }, stop: 'cancel', ends: 'cancelled' },
  { name: 'terminate', exit: { code: null, signal: 'SIGTERM', stop: 'terminate' }, stop: 'terminate', ends: 'terminated' },
  { name: 'kill switch', exit: { code: null, signal: 'SIGKILL', stop: 'kill' }, stop: 'kill', ends: 'killed' },
  {
    name: 'kill switch, read by the shim while no daemon was there to record it',
    exit: { ...killed, stop: 'kill' },
    ends: 'killed',
    message: 'killed by the kill switch',
  },
  {
    name: 'kill switch, read by the shim before the cancel was handed on',
    exit: { ...killed, stop: 'kill' },
    stop: 'cancel',
    ends: 'killed',
  },
  { name: 'a cancel, then the kill switch', exit: { ...killed, stop: 'cancel' }, stop: 'cancel', ends: 'cancelled' },
  { name: 'a stop that found the harness ended by itself', evidence: completed, stop: 'cancel', ends: 'cancelled' },
  { name: 'a stop, and a decoder that failed', stop: 'cancel', failure: decoder, ends: 'cancelled' },
  { name: 'a stop, and a tree that cannot be frozen', stop: 'cancel', tree: unfreezable, ends: 'cancelled' },

  {
    name: 'a decoder that failed',
    evidence: completed,
    failure: decoder,
    ends: 'decoder_failed',
    message: 'line 3; look for another version of its plugin; the log is kept',
  },
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

const recording = (live: LiveProgress): Command => ({ kind: 'record', attempt: 1, source: 'stdout', from: 0, to: 1, events: [], live });

describe('the one cause of an ending', () => {
  test.each(cases)('$name: $ends', (each) => {
    const { exit, evidence, failure, tree, type, gate, concern, stop: stopped, ends, message } = each;
    const facts: Command = {
      kind: 'reconciled',
      account: { turns: 3 },
      tree: tree === 'unchanged' ? aTree({ changed: false }) : (tree ?? aTree()),
      ...(evidence ? { evidence } : {}),
      ...(failure ? { failure } : {}),
    };
    const task = after(
      created({
        limits: { ...limits, ...moreLimits },
        ...(type ? { taskType: type } : {}),
        ...(gate ? { gates: [aGate('test', { required: gate === 'required' })] } : {}),
      }),
      ...running,
      ...(concern === undefined ? [] : [recording({ turns: 2, concern })]),
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

  test('without a limit that was ever told is named all the same', () => {
    const task = after(created(), ...running, exited('harness-1', { ...killed, stop: 'attempt_timeout' }), reconciled());
    expect(task.attempts[0]?.failure?.message).toMatch(/^the attempt took longer than the time allowed;/);
  });

  test('is accounted for once', () => {
    const task = after(created(), ...running, exited(), reconciled());
    expect(task.attempts[0]).toMatchObject({ charged: true });
    expect(task.attempts[0]).not.toHaveProperty('live');
  });
});
