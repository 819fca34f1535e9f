import type { FailureReason } from '../task/reasons.ts';

/** A step cannot be done, and trying again would change nothing: the task fails with this reason. */
export class StepFailure extends Error {
  readonly reason: FailureReason;

  constructor(reason: FailureReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StepFailure';
    this.reason = reason;
  }
}

/** The task moved on under the step: ask `next` again. */
export class Superseded extends Error {}
