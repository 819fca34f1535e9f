import { readdir } from 'node:fs/promises';
import { judgementOf } from '../gates/result.ts';
import type { GateResult, GateSpec, ProcessExit } from '../task/task.ts';
import { outputEnd } from './output-end.ts';

/** What a gate found, for the record: its verdict, and what helps to understand it. */
export async function gateResult(
  gate: GateSpec,
  place: Pick<GateResult, 'attempt' | 'ordinal'>,
  exit: ProcessExit,
  where: { readonly directory: string; readonly cwd: string },
): Promise<GateResult> {
  const entries = new Set(await readdir(where.cwd).catch(() => []));
  const { name, kind, required } = gate;
  const { startedAt, endedAt } = exit;
  return {
    ...place,
    name,
    kind,
    required,
    startedAt,
    endedAt,
    ...judgementOf(exit, outputEnd(where.directory, exit.lengths), entries),
  };
}
