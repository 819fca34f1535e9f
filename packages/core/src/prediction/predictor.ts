import type { Estimate, TaskSpec } from '../task/task.ts';

/** What a task will probably use, told before its first attempt. `undefined`: there is nothing to go by. */
export interface Predictor {
  estimate(spec: TaskSpec): Promise<Estimate | undefined>;
}

/** Says honestly that nothing is known, so that the event carries no estimate at all. */
export const unknownPredictor: Predictor = { estimate: async () => undefined };
