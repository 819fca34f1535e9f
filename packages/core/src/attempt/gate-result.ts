import type { GateResult, GateSpec, ProcessExit } from '../task/task.ts';
import { outputTail } from './output-tail.ts';

/** What a gate found, from its exit status alone; its output only explains. */
export async function gateResult(
  gate: GateSpec,
  place: Pick<GateResult, 'attempt' | 'ordinal'>,
  exit: ProcessExit,
  directory: string,
): Promise<GateResult> {
  const tail = (await outputTail(directory, exit.lengths)).toString('utf8');
  return {
    ...place,
    name: gate.name,
    kind: gate.kind,
    required: gate.required,
    verdict: exit.code === 0 ? 'passed' : exit.code === null || exit.code === 126 || exit.code === 127 ? 'errored' : 'failed',
    startedAt: exit.startedAt,
    endedAt: exit.endedAt,
    ...(exit.code === null ? {} : { exitCode: exit.code }),
    ...(tail === '' ? {} : { tail }),
  };
}
