import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { beforeAll, describe, expect, test } from 'vitest';
import { codexScene, codexTask, fetchCodex, servedTokens } from '../support/codex.ts';
import { finished } from '../support/daemon.ts';
import { commandProgram } from '../support/programs.ts';

/** What the fake agent says is recorded in harness.test.ts; here the CLI itself brings paths, names and keys into places of its own. */
describe.runIf(process.env['SINGLETREE_TEST_FULL'] === '1')('a recording of the real Codex', () => {
  beforeAll(async () => await fetchCodex(), 300_000);

  test('gives away neither keys, nor paths, nor addresses, and comes to what was served', async () => {
    const look = 'env; cat "$TMPDIR/../key"; pwd; hostname; echo alice@corp.example.net; git config user.email';
    const usage = { input_tokens: 1200, cache_read_input_tokens: 700, output_tokens: 90, reasoning_output_tokens: 30 };
    await using scene = await codexScene(
      [
        { text: 'I look.', tools: [{ name: 'exec_command', input: { cmd: look } }], usage },
        { text: 'I have seen it all: alice@corp.example.net, Bearer abcdefghijklmnopqrstuvwxyz012345.', usage },
      ],
      { env: { PROXY: 'http://carol:pass-word@proxy.corp:3128' } },
    );
    const client = await scene.daemon.start();
    const { id } = await client.tasks.create(
      codexTask(scene, { title: 'Look around', instructions: 'Look around for bob@corp.example.net.' }),
    );
    expect(await finished(client, id, 50_000)).toMatchObject({ attempts: [{ number: 1 }] });

    const out = join(scene.folder, 'fixtures');
    const env = {
      ...process.env,
      HOME: join(scene.folder, 'home'),
      SINGLETREE_STATE: scene.daemon.state,
      USER: 'dave-the-user',
      TMPDIR: join(scene.folder, 'tmp'),
    };
    const typed = async (...argv: readonly string[]): Promise<string> => {
      const child = spawn(process.execPath, [commandProgram, ...argv], { cwd: scene.repo.path, env, stdio: ['ignore', 'pipe', 'pipe'] });
      const [stdout, stderr] = await Promise.all([buffer(child.stdout), buffer(child.stderr), once(child, 'close')]);
      expect(child.exitCode, stderr.toString()).toBe(0);
      return stdout.toString();
    };
    const { files } = JSON.parse(await typed('harness', 'record', id, '--out', out, '--name', 'looked', '--json')) as { files: string[] };
    expect(readdirSync(join(out, '0.169.0/sessions/looked'))).toEqual(['case.json', 'file-0.jsonl', 'stdout.jsonl']);

    const texts = files.map((file) => [file, readFileSync(file, 'utf8')] as const);
    const secrets = [
      scene.apiKey,
      scene.folder,
      scene.repo.path,
      'dave-the-user',
      // A shorter one is a word like others.
      ...(hostname().length > 2 ? [hostname()] : []),
      'corp.example.net',
      'pass-word',
      'abcdefghijklmnopqrstuvwxyz012345',
    ];
    const found = texts.flatMap(([file, text]) =>
      secrets.filter((secret) => text.includes(secret)).map((secret) => `${secret} in ${file}`),
    );
    expect(found).toEqual([]);

    const served = servedTokens(scene.models);
    const recorded = JSON.parse(readFileSync(join(out, '0.169.0/sessions/looked/case.json'), 'utf8')) as {
      expected: { total: Record<string, number> };
    };
    expect(recorded.expected.total).toMatchObject({
      uncachedInputTokens: served['input_tokens'],
      cacheReadInputTokens: served['cache_read_input_tokens'],
      outputTokens: served['output_tokens'],
      reasoningOutputTokens: served['reasoning_output_tokens'],
    });
  }, 120_000);
});
