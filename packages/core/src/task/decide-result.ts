import { apply, illegal, isRefusal, withAttempt, type Change, type Decision, type Refusal } from './change.ts';
import type { Command } from './commands.ts';
import { endingOf, stopped } from './ending.ts';
import type { TaskEventBody } from './events.ts';
import { gateToRun } from './next.ts';
import { filesChanged, lastGates } from './outcome.ts';
import { lotOf, nextTry, retryRule } from './retry.ts';
import { isQuiet, newestAttempt, type Attempt, type Blocked, type Failure, type Instant, type Task } from './task.ts';

type Reconciled = Extract<Command, { kind: 'reconciled' }>;

/** The attempt is over and accounted for: hand it in, try again, or end the task. */
export function reconciled(task: Task, command: Reconciled, now: Instant): Decision | Refusal {
  const decision = settled(task, command, now);
  const { calls: entries } = command;
  return isRefusal(decision) || !entries ? decision : { ...decision, ledger: { attempt: task.attempts.length, entries, whole: true } };
}

function settled(task: Task, command: Reconciled, now: Instant): Decision | Refusal {
  const attempt = newestAttempt(task);
  const process = task.processes.find(({ role }) => role === 'harness');
  if (task.state !== 'in_progress' || !attempt || !process || !isQuiet(task)) return illegal(task, command);
  const ending = endingOf(task, attempt, process, command);
  const tree = 'reason' in command.tree ? undefined : command.tree;
  const facts: Partial<Attempt> = {
    account: command.account,
    ...(command.evidence ? { evidence: command.evidence } : {}),
    ...(tree ? { tree } : {}),
  };
  const { number } = attempt;
  const events: TaskEventBody[] = [
    ...(command.correction ? [{ kind: 'usage_corrected' as const, attempt: number, ...command.correction }] : []),
    ...(tree ? [{ kind: 'frozen' as const, attempt: number, commit: tree.commit, ref: tree.ref, filesChanged: filesChanged(tree) }] : []),
  ];
  switch (ending.kind) {
    case 'submit': {
      // Handed in although something was wrong with its end: the attempt says so, and the gates decide.
      const { failure } = ending;
      const flaw: Partial<Attempt> = failure ? { failure } : {};
      return apply(task, now, {
        edge: 'submit',
        set: { attempts: withAttempt(task, { ...facts, ...flaw, charged: true }, ['live']) },
        events: failure ? [...events, { kind: 'warning', message: failure.message }] : events,
      });
    }
    case 'stopped': {
      const end = stopped(ending.stop);
      return apply(task, now, {
        ...end,
        set: { attempts: withAttempt(task, { ...facts, failure: end.failure, charged: true }, ['live']) },
        events,
      });
    }
    case 'failed': {
      const failure: Failure = { reason: ending.reason, message: ending.message };
      return apply(task, now, { ...againOrFail(task, 'retry', failure, now, facts), events });
    }
  }
}

/** Every gate has spoken about the frozen tree. */
export function judged(task: Task, command: Extract<Command, { kind: 'judged' }>, now: Instant): Decision | Refusal {
  if (task.state !== 'in_review' || !isQuiet(task) || gateToRun(task)) return illegal(task, command);
  const required = lastGates(task).filter((gate) => gate.required);
  const errored = required.find((gate) => gate.verdict === 'errored');
  if (errored) {
    const failure: Failure = {
      reason: 'gate_could_not_run',
      message: [`gate ${errored.name} could not run`, errored.message, errored.hint].filter(Boolean).join('; '),
    };
    return apply(task, now, { edge: 'fail', failure });
  }
  const red = required.filter((gate) => gate.verdict === 'failed');
  if (red.length === 0) return apply(task, now, { edge: 'accept' });
  const names = red.map((gate) => gate.name).join(', ');
  const failure: Failure = { reason: 'gate_failed', message: [`gate ${names} failed`, red[0]?.message].filter(Boolean).join(': ') };
  return apply(task, now, againOrFail(task, 'rework', failure, now, {}));
}

/** Another attempt where the retry table and `max_attempts` allow one, else the end. */
function againOrFail(task: Task, edge: 'retry' | 'rework', failure: Failure, now: Instant, facts: Partial<Attempt>): Change {
  const rule = retryRule(failure.reason, task.spec.retry);
  const attempts = withAttempt(task, { ...facts, failure, charged: rule.charged }, ['live']);
  const charged = attempts.filter((attempt) => attempt.charged === true).length;
  const before = task.attempts.filter((attempt) => attempt.failure?.reason === failure.reason).length;
  if (rule.action === 'fail' || charged >= task.spec.limits.maxAttempts || before >= rule.most)
    return { edge: 'fail', failure, set: { attempts } };
  // A limit ended the attempt before the stop could, but there is no other one: the task was told to end.
  if (task.stop) return { ...stopped(task.stop), set: { attempts } };
  const resetsAt = facts.evidence?.resetsAt;
  const until = nextTry(rule, before, lotOf(task.id, attempts.length), now, resetsAt);
  // A wait that is longer than any of the table's is none for the queue: outside of it the wait is seen, and `blocked_limit` ends it.
  const isFar = resetsAt !== undefined && resetsAt - now > rule.backoff.capMs;
  if (rule.action === 'retry' && !isFar) return { edge, failure, set: { attempts, notBefore: until } };
  return { edge: 'block', failure, set: { attempts, blocked: blockedFor(failure, until) } };
}

/** A login that was refused is tried again only once the harness says that it is ready. */
function blockedFor({ reason, message }: Failure, until: Instant): Blocked {
  return { reason, message, from: 'created', until, ...(reason === 'unauthenticated' ? { probe: true } : {}) };
}
