import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Singletree } from '@singletree/sdk';
import { repository, temporaryFolder, until } from '@singletree/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { aTask, finished, TestDaemon } from './support/daemon.ts';

const stack = new AsyncDisposableStack();
let folder = '';
let client: Singletree;

beforeAll(async () => {
  folder = stack.use(await temporaryFolder()).path;
  const daemon = stack.use(new TestDaemon({ folder }));
  const done = [{ write: { path: 'a.txt', content: 'after\n' } }, { say: 'Done.' }];
  const held = [{ mark: join(folder, 'reached') }, { waitFor: join(folder, 'go') }, ...done];
  daemon.follow({
    prompts: [
      { match: 'wait in the middle', script: held },
      { match: 'remove your own folder', script: [{ run: 'rm -r ../pkg' }, { say: 'Done.' }] },
      { match: '', script: done },
    ],
  });
  client = await daemon.start();
});
afterAll(() => stack.disposeAsync());

describe.concurrent('dependencies that git ignores', () => {
  const json = (content: object): string => `${JSON.stringify(content, undefined, 2)}\n`;
  /** Its test runner is a package that lies in the repository, so that nothing is fetched. */
  const shop = {
    'a.txt': 'before\n',
    '.gitignore': 'node_modules\n',
    'package.json': json({ name: 'shop', private: true, scripts: { test: 'check' }, devDependencies: { check: 'file:tools/check' } }),
    'package-lock.json': json({
      name: 'shop',
      lockfileVersion: 3,
      requires: true,
      packages: {
        '': { name: 'shop', devDependencies: { check: 'file:tools/check' } },
        'node_modules/check': { resolved: 'tools/check', link: true },
        'tools/check': { version: '1.0.0', dev: true, bin: { check: 'check.sh' } },
      },
    }),
    'tools/check/package.json': json({ name: 'check', version: '1.0.0', bin: { check: 'check.sh' } }),
    'tools/check/check.sh': '#!/bin/sh\ngrep -x after a.txt\n',
  };
  const gates = [{ name: 'test', command: 'npm test' }];

  test('a setup command that installs them makes the gate green, and what it installed is no change', async () => {
    await using repo = await repository({ files: shop });
    const created = await client.tasks.create(aTask(repo.path, { gates, setup: ['npm ci --no-audit --no-fund'] }));
    const task = await finished(client, created.id);
    expect(task, task.failure?.message).toMatchObject({ state: 'completed', completion: { outcome: 'success', filesChanged: 1 } });
    expect(task.gateResults).toMatchObject([{ name: 'test', status: 'passed' }]);
    expect(await repo.git('diff', '--name-only', task.baseCommit!, task.frozenCommit!)).toBe('a.txt\n');
  });

  test('without it the gate is errored, nobody is asked to mend that, and the hint names --setup', async () => {
    await using repo = await repository({ files: shop });
    const created = await client.tasks.create(aTask(repo.path, { gates }));
    const task = await finished(client, created.id);
    expect(task).toMatchObject({
      state: 'failed',
      failure: { reason: 'gate_could_not_run' },
      completion: { outcome: 'failure', retryCount: 0, qualityGatesFailed: [], qualityGatesErrored: ['test'] },
    });
    expect(task.completion?.qualityGatePassed, 'unknown, and not false').toBeUndefined();
    expect(task.gateResults).toMatchObject([{ status: 'errored', exitCode: 127, hint: expect.stringContaining("--setup 'npm ci'") }]);
    expect(task.failure?.message).toContain("--setup 'npm ci'");
  });
});

describe.concurrent('what a gate does to the tree', () => {
  test('leaves no trace in the diff or in the verdict of the next one', async () => {
    await using repo = await repository({ files: { 'a.txt': 'before\n', 'b.txt': 'b\n' } });
    const spoil =
      'echo spoilt > a.txt && rm b.txt && echo junk > junk.txt && mkdir -p deep/er && echo junk > deep/er/junk.txt && git add -A';
    const same = 'grep -x after a.txt && grep -x b b.txt && test ! -e junk.txt && test ! -e deep';
    const created = await client.tasks.create(
      aTask(repo.path, {
        gates: [
          { name: 'spoil', command: spoil },
          { name: 'test', command: same },
          { name: 'spoil-again', command: spoil },
        ],
      }),
    );
    const task = await finished(client, created.id);
    expect(task.gateResults.map(({ name, status }) => [name, status])).toEqual([
      ['spoil', 'passed'],
      ['test', 'passed'],
      ['spoil-again', 'passed'],
    ]);
    expect(task).toMatchObject({ state: 'completed', completion: { outcome: 'success', filesChanged: 1 } });
    expect(await repo.git('diff', task.baseCommit!, task.frozenCommit!)).toMatch(/^-before\n\+after$/m);
    expect(await repo.git('diff', '--name-only', task.baseCommit!, task.frozenCommit!)).toBe('a.txt\n');
    expect(await repo.git('status', '--porcelain'), 'the repository itself').toBe('');
  });
});

test('an agent that removes the folder which was named has done its work: the rest is frozen, and gates run where it was', async () => {
  await using repo = await repository({ files: { 'a.txt': 'a\n', 'pkg/b.txt': 'b\n' } });
  const created = await client.tasks.create(
    aTask(join(repo.path, 'pkg'), {
      instructions: 'remove your own folder',
      gates: [
        { name: 'again', command: 'test "$(basename "$PWD")" = pkg && test ! -e b.txt && rmdir "$PWD"' },
        { name: 'test', command: 'test -f ../a.txt' },
      ],
    }),
  );
  const task = await finished(client, created.id);
  expect(task, task.failure?.message).toMatchObject({ state: 'completed', completion: { outcome: 'success', filesChanged: 1 } });
  expect(await repo.git('diff', '--name-status', task.baseCommit!, task.frozenCommit!)).toBe('D\tpkg/b.txt\n');
});

test.each([
  ['worktree', [true, false, true, false]],
  // Nothing is put back, so only the first change is surely that of its gate.
  ['in_place', [true, undefined, undefined, undefined]],
] as const)('a gate that changes the tree is told of: %s', async (mode, changed) => {
  await using repo = await repository({ files: { 'a.txt': 'a\n' } });
  const gates = ['echo 1 > made.txt', 'true', 'echo 2 >> a.txt', 'true'].map((command, index) => ({ name: `gate-${index}`, command }));
  const { id } = await client.tasks.create(aTask(repo.path, { workspace: { path: repo.path, mode }, gates }));
  const task = await finished(client, id);
  expect(task.gateResults.map(({ status, changedTree }) => [status, changedTree])).toEqual(changed.map((each) => ['passed', each]));
});

describe.concurrent('in place', () => {
  test("the user's own changes stay, and are not the agent's", async () => {
    await using repo = await repository({ files: { 'a.txt': 'before\n', 'mine.txt': 'old\n', 'staged.txt': 'old\n' } });
    writeFileSync(join(repo.path, 'mine.txt'), 'mine\n');
    writeFileSync(join(repo.path, 'new.txt'), 'mine too\n');
    writeFileSync(join(repo.path, 'staged.txt'), 'staged\n');
    await repo.git('add', 'staged.txt');
    const created = await client.tasks.create(
      aTask(repo.path, {
        workspace: { path: repo.path, mode: 'in_place' },
        gates: [{ name: 'test', command: 'grep -x after a.txt && grep -x mine mine.txt' }],
      }),
    );
    expect(created.permissions).toBe('edits');
    const task = await finished(client, created.id);
    expect(task).toMatchObject({ state: 'completed', completion: { outcome: 'success', filesChanged: 1 } });
    expect(await repo.git('diff', '--name-only', task.baseCommit!, task.frozenCommit!)).toBe('a.txt\n');
    expect((await repo.git('status', '--porcelain')).trimEnd().split('\n')).toEqual([
      ' M a.txt',
      ' M mine.txt',
      'M  staged.txt',
      '?? new.txt',
    ]);
    expect(await repo.git('log', '--format=%H')).toBe(`${repo.head}\n`);
    expect(readFileSync(join(repo.path, 'a.txt'), 'utf8')).toBe('after\n');
  });

  test('a second task waits until the first is final, also in another folder of the checkout', async () => {
    await using repo = await repository({ files: { 'a.txt': 'before\n', 'sub/b.txt': 'b\n' } });
    const inPlace = (path: string) => ({ workspace: { path, mode: 'in_place' } as const });
    const first = await client.tasks.create(aTask(repo.path, { ...inPlace(repo.path), instructions: 'wait in the middle' }));
    await until(() => existsSync(join(folder, 'reached')), { what: 'the first task to work', timeoutMs: 20_000 });
    const second = await client.tasks.create(aTask(repo.path, inPlace(join(repo.path, 'sub'))));
    const waiting = await until(async () => (await client.tasks.get(second.id)).waiting, { what: 'the second task to wait' });
    expect(waiting).toMatchObject({ waitingFor: 'workspace', message: expect.stringContaining(first.id) });
    writeFileSync(join(folder, 'go'), '');
    const [one, two] = [await finished(client, first.id), await finished(client, second.id)];
    expect([one.state, two.state]).toEqual(['completed', 'completed']);
    expect(two.attempts[0]?.preparedAt.getTime()).toBeGreaterThanOrEqual(one.completedAt!.getTime());
    const changed = ({ baseCommit, frozenCommit }: typeof one): Promise<string> =>
      repo.git('diff', '--name-only', baseCommit!, frozenCommit!);
    expect(await changed(one)).toBe('a.txt\n');
    expect(await changed(two), 'it begins where the first one ended').toBe('sub/a.txt\n');
  });
});

describe.concurrent("a gate's programs are the person's own", () => {
  test.each([
    ['as the command that started the daemon says', (own: string, system: string) => ({ PATH: own, SINGLETREE_USER_PATH: system })],
    [
      'whatever package managers and our own Node put before the PATH',
      (own: string, system: string) => ({ PATH: own + delimiter + system }),
    ],
  ])('%s', async (_, environmentOf) => {
    await using temporary = await temporaryFolder();
    await using repo = await repository({ files: { 'a.txt': 'before\n' } });
    const program = (path: string, says: string): string => {
      const bin = join(temporary.path, path);
      mkdirSync(bin, { recursive: true });
      writeFileSync(join(bin, 'node'), `#!/bin/sh\necho ${says}\n`);
      chmodSync(join(bin, 'node'), 0o755);
      return bin;
    };
    const own = [program('checkout/.toolchain/node/bin', 'ours'), program('checkout/node_modules/.bin', 'a package')].join(delimiter);
    const system = [program('usr/bin', 'v18.0.0'), process.env['PATH']].join(delimiter);
    await using daemon = new TestDaemon({ folder: temporary.path, environment: environmentOf(own, system) });
    const at = await daemon.start({ npm_config_user_agent: 'npm', NODE_OPTIONS: '--no-warnings', PNPM_HOME: '/nowhere' });
    const gates = [
      { name: 'node', command: 'test "$(node -v)" = v18.0.0' },
      { name: 'clean', command: '! env | grep -iE "^(npm_|pnpm|node_options)"' },
    ];
    const created = await at.tasks.create(aTask(repo.path, { gates }));
    const task = await finished(at, created.id);
    expect(task.gateResults.map(({ name, status }) => [name, status])).toEqual([
      ['node', 'passed'],
      ['clean', 'passed'],
    ]);
  });
});
