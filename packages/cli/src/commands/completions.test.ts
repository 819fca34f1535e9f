import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { typed } from '../typed.testsuite.ts';

const cwd = mkdtempSync(join(tmpdir(), 'cli-'));
afterAll(() => rmSync(cwd, { recursive: true }));
const env = { HOME: cwd, SINGLETREE_STATE: join(cwd, 'state') };

test.each([
  [['import'], 2, /"import" is nothing that completions does/],
  [['export', 'more'], 2, /too many arguments.*\n {2}--help/],
  [['export', '--since', 'once'], 2, /--since "once" is no time/],
  [['export', '--until', 'tomorrow'], 2, /--until "tomorrow" is no time/],
  [[], 2, /missing required argument 'export'\n  --help/],
  [['export', '--since', '1d', '--until', '3d'], 2, /--until 3d is not later than --since 1d/],
  [['export', '--after', '123'], 2, /--after "123" is no id of an event\n {2}it is the event_id/],
  [['export', '--format', 'xml'], 2, /jsonl, csv/],
  [['export', '--outcome', 'good'], 2, /success, partial, failure, timeout/],
  [['export', '--type', 'writing'], 2, /planning, implementation/],
  [['export', '--out', 'nowhere/x'], 2, /cannot write .*nowhere\/x/],
  [['export'], 69, /no daemon/],
])('completions %j ends with %i', async (argv, code, problem) => {
  const said = await typed(['completions', ...argv], { cwd, env });
  expect(said).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(problem) });
});
