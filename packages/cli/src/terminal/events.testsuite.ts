import type { TaskEvent } from '@singletree/sdk';

export const start: number = Date.parse('2026-11-21T13:30:00Z');

/** An event of a task, `second` seconds after it began. What a test does not say is absent. */
export function happened(second: number, kind: TaskEvent['kind'], member: object, attempt?: number): TaskEvent {
  const name = kind.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
  // Untyped on purpose: each test writes down the few fields that it is about.
  const event: unknown = { kind, at: new Date(start + second * 1_000), attempt, sequence: 1, taskId: 't', [name]: member };
  return event as TaskEvent;
}
