import { createHash } from 'node:crypto';
import type { TraceContext } from '@singletree/harness';
import type { Task } from './task/task.ts';

/** The trace that a task's spans belong to. */
export interface TaskTrace {
  /** 32 lower-case hexadecimal digits. */
  readonly traceId: string;
  /** The caller's span, if the task came with a valid traceparent: parent of the task's root span. */
  readonly parentSpanId?: string;
}

interface TraceableTask {
  readonly id: string;
  readonly spec: Pick<Task['spec'], 'traceparent' | 'tracestate'>;
}

/**
 * The task id's bytes, or the trace that the caller was in. A malformed traceparent counts as none, as W3C Trace Context
 * demands; one that says "not sampled" is joined all the same, because the record of a finished task is never sampled away.
 */
export function traceOf(task: TraceableTask): TaskTrace {
  const caller = parseTraceparent(task.spec.traceparent ?? '');
  if (caller) return caller;
  const traceId = task.id.replaceAll('-', '').toLowerCase();
  if (!/^[0-9a-f]{32}$/.test(traceId) || isZero(traceId))
    throw new Error(`bug: task id "${task.id}" is not a UUID, so it gives no trace id`);
  return { traceId };
}

/**
 * How a process that works for a span of the task hears of it. Sampled, whatever the caller's own trace is: the spans above it are sent in any case,
 * and whoever has switched on those of a CLI wants to see them.
 */
export function traceContext(task: TraceableTask, spanId: string): TraceContext {
  const { tracestate } = task.spec;
  const { traceId, parentSpanId } = traceOf(task);
  return {
    traceparent: `00-${traceId}-${spanId}-01`,
    ...(tracestate === undefined || parentSpanId === undefined ? {} : { tracestate }),
  };
}

/** The span of the whole task. */
export function rootSpanId(taskId: string): string {
  return spanId(taskId, 'workflow', '0');
}

/** The span of one attempt, which the harness may join by TRACEPARENT. */
export function attemptSpanId(taskId: string, attempt: number): string {
  return spanId(taskId, 'agent', String(attempt));
}

/** The span of one gate after one attempt. `ordinal` is its place in the task's list of gates. */
export function gateSpanId(taskId: string, attempt: number, ordinal: number): string {
  return spanId(taskId, 'gate', `${attempt}.${ordinal}`);
}

/** The span of one of the task's waits, by its place among them. */
export function waitSpanId(taskId: string, ordinal: number): string {
  return spanId(taskId, 'wait', String(ordinal));
}

/** The span of a tool that an agent called, by its place among all of the task. */
export function toolSpanId(taskId: string, ordinal: number): string {
  return spanId(taskId, 'tool', String(ordinal));
}

/** The span of a model call, by its place among all of the task. */
export function modelCallSpanId(taskId: string, ordinal: number): string {
  return spanId(taskId, 'model_call', String(ordinal));
}

/** Computed, not drawn: whoever needs the id, before or after the span exists and in whichever process, gets the same. */
function spanId(taskId: string, role: 'workflow' | 'agent' | 'gate' | 'wait' | 'tool' | 'model_call', ordinal: string): string {
  return validSpanId(createHash('sha256').update(`${taskId}/${role}/${ordinal}`).digest('hex').slice(0, 16));
}

/** All zeroes means "no span" in every format, so the one hash in 2^64 that begins so is moved by one. */
export function validSpanId(id: string): string {
  return isZero(id) ? '0000000000000001' : id;
}

/** https://www.w3.org/TR/trace-context/#traceparent-header: version 00 is exact, a later version may append fields, ff is none. */
function parseTraceparent(text: string): Required<TaskTrace> | undefined {
  const match = /^(?<version>[0-9a-f]{2})-(?<traceId>[0-9a-f]{32})-(?<parentSpanId>[0-9a-f]{16})-[0-9a-f]{2}(?<more>-.*)?$/.exec(text);
  const { version, traceId, parentSpanId, more } = match?.groups ?? {};
  if (traceId === undefined || parentSpanId === undefined || isZero(traceId) || isZero(parentSpanId)) return undefined;
  if (version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  return { traceId, parentSpanId };
}

function isZero(hex: string): boolean {
  return /^0+$/.test(hex);
}
