import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startOtlpReceiver } from '@singletree/testing';
import { expect, test } from 'vitest';
import { hasCurl } from './support/curl.ts';
import { Machine } from './support/machine.ts';
import { blocksOf } from './support/page.ts';
import { commandProgram } from './support/programs.ts';

test.skipIf(!hasCurl)(`what docs/telemetry.md has one type works${hasCurl ? '' : ' (skipped: there is no curl)'}`, async () => {
  await using receiver = await startOtlpReceiver();
  await using machine = await Machine.make();
  const bin = join(machine.path, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'singletree'), `#!/bin/sh\nexec "${process.execPath}" "${commandProgram}" "$@"\n`);
  chmodSync(join(bin, 'singletree'), 0o755);
  const [start = '', ...others] = blocksOf('docs/telemetry.md').flatMap(({ language, text }) => (language === 'sh' ? [text] : []));
  const typed = [start, 'singletree run --type debugging --gate test=true x', ...others]
    .join('\n')
    .replaceAll('http://localhost:4318', receiver.url)
    .replaceAll('~/.local/state/singletree', machine.state);
  const env = { ...machine.env, PATH: `${bin}:${machine.env['PATH']}` };
  const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', typed], { cwd: machine.repo.path, env });

  expect(stdout).toContain('telemetry arrives');
  expect(stdout).toMatch(/^singletree_task_completions_total\{.*singletree_task_outcome="success".*\} 1$/m);
  const week = readFileSync(join(machine.repo.path, 'week.jsonl'), 'utf8').trimEnd().split('\n');
  expect(week.map((line) => JSON.parse(line).outcome)).toEqual(['success']);
  const failed = readFileSync(join(machine.repo.path, 'failed.csv'), 'utf8').trimEnd().split('\r\n');
  expect(failed).toEqual([expect.stringMatching(/^event_id,/)]);
});
