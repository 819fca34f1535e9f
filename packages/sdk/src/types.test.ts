import { expectTypeOf, test } from 'vitest';
import type { DaemonStatus, FailureReason, Task, TaskCompletionEvent, TaskEvent, TaskState } from './types.ts';

test('the plain types say what the plain values are', () => {
  expectTypeOf<TaskState>().toEqualTypeOf<
    'created' | 'assigned' | 'in_progress' | 'in_review' | 'blocked' | 'completed' | 'failed' | 'cancelled'
  >();
  expectTypeOf<TaskCompletionEvent['outcome']>().toEqualTypeOf<'success' | 'partial' | 'failure' | 'timeout'>();
  expectTypeOf<TaskCompletionEvent['actualCostUsdMicros']>().toEqualTypeOf<number | undefined>();
  expectTypeOf<TaskCompletionEvent['contextUtilizationFinal']>().toEqualTypeOf<number | undefined>();
  expectTypeOf<TaskCompletionEvent['completedAt']>().toEqualTypeOf<Date>();
  expectTypeOf<TaskCompletionEvent['retriesByCause']>().toEqualTypeOf<{ [key: string]: number }>();
  expectTypeOf<TaskCompletionEvent['qualityGatesRun']>().toEqualTypeOf<string[]>();
  expectTypeOf<TaskCompletionEvent['taskType']>().toEqualTypeOf<
    | 'planning'
    | 'implementation'
    | 'code_review'
    | 'testing'
    | 'debugging'
    | 'refactoring'
    | 'documentation'
    | 'configuration'
    | 'security_audit'
    | undefined
  >();
  expectTypeOf<'harness_never_ended'>().toExtend<FailureReason>();
  expectTypeOf<NonNullable<Task['limits']>['timeoutMs']>().toEqualTypeOf<number | undefined>();
  expectTypeOf<NonNullable<Task['waiting']>['waitingFor']>().toEqualTypeOf<
    'limit' | 'backoff' | 'workspace' | 'kill_switch' | 'hold' | 'drain'
  >();
  expectTypeOf<DaemonStatus['tasks']>().toEqualTypeOf<{ [key: string]: number }>();
});

test('the kind of an event tells its member', () => {
  const read = (event: TaskEvent): string | undefined => {
    if (event.kind === 'gate_finished') return event.gateFinished.status;
    if (event.kind === 'completed') return event.completed.outcome;
    if (event.kind === 'state_changed') return event.stateChanged.toState;
    return undefined;
  };
  expectTypeOf(read).returns.toEqualTypeOf<string | undefined>();
});
