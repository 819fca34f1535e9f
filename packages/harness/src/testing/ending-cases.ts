import type { Harness } from '../contract.ts';
import type { ConformanceCase, Subject } from './case.ts';
import { check, same } from './play.ts';

/** What a plugin makes of an exit where the CLI said nothing. */
export function endingCases({ harness }: Subject): ConformanceCase[] {
  if (!harness.exitEvidence) return [];
  return [
    {
      rule: 'missing ending',
      name: 'an exit code of 0 alone is no evidence that the work is done',
      run: () => {
        for (const stderrTail of ['', 'Done.', 'all tests passed\n']) {
          const evidence = evidenceOf(harness, { code: 0, signal: null, stderrTail });
          check(
            evidence?.result !== 'completed',
            `exit code 0 with ${JSON.stringify(stderrTail)} on standard error is taken for a completion`,
          );
        }
      },
    },
    {
      rule: 'missing ending',
      name: 'whatever stands on standard error, no exit is a completion, and its message is short',
      run: () => {
        const exits = [
          { code: 1, signal: null },
          { code: 137, signal: null },
          { code: null, signal: 'SIGKILL' },
        ];
        for (const stderrTail of ['', 'error: no', '\u0000\ufffd', 'x'.repeat(16 * 1024), '{"result":"completed"}']) {
          for (const exit of exits) {
            const evidence = evidenceOf(harness, { ...exit, stderrTail });
            const where = `exit ${exit.code ?? exit.signal} with ${stderrTail.length} characters on standard error`;
            check(evidence?.result !== 'completed', `${where} is taken for a completion`);
            check(Buffer.byteLength(evidence?.message ?? '') <= 2048, `${where}: the message is longer than 2 KiB`);
          }
        }
      },
    },
  ];
}

type Exit = Parameters<NonNullable<Harness['exitEvidence']>>[0];

function evidenceOf(harness: Harness, exit: Exit): ReturnType<NonNullable<Harness['exitEvidence']>> {
  const evidence = harness.exitEvidence?.(exit);
  if (evidence !== undefined) same(JSON.parse(JSON.stringify(evidence)), evidence, 'evidence as plain data');
  return evidence;
}
