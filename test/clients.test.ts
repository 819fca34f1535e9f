import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasCurl } from './support/curl.ts';
import { exampleTests, startScene, type Ended, type Scene } from './support/example.testsuite.ts';
import { blocksOf, programOf } from './support/page.ts';

/** The examples of docs/clients.md and the program in plain grpc-js. What needs Python or Go is in backends/languages.test.ts. */

const root = join(import.meta.dirname, '..');
const stack = new AsyncDisposableStack();
let scene: Scene;
beforeAll(async () => {
  scene = stack.use(await startScene());
});
afterAll(() => stack.disposeAsync());

describe('docs/clients.md', () => {
  const blocks = blocksOf('docs/clients.md');
  const excerpts = blocks.filter(({ of }) => of.includes('/'));

  test('has no example that nothing runs', () => {
    const known = ['ts', 'sh', 'sh test:backends'];
    const others = blocks.filter((block) => !excerpts.includes(block));
    expect(others.filter(({ language, of }) => !known.includes(`${language} ${of}`.trim()))).toEqual([]);
    expect(excerpts.length).toBeGreaterThan(7);
  });

  test.each(excerpts)('line $line is a part of $of', ({ of, text }) => {
    expect(of).toMatch(/^examples\//);
    expect(readFileSync(join(root, of), 'utf8')).toContain(text);
  });

  test.concurrent('its TypeScript', async () => {
    const folder = join(scene.home, 'program');
    mkdirSync(folder);
    symlinkSync(join(root, 'test/node_modules'), join(folder, 'node_modules'));
    writeFileSync(join(folder, 'page.ts'), programOn(programOf(blocks, 'ts')));
    const { code, stdout, stderr } = await scene.start([process.execPath, join(folder, 'page.ts')]).ended;
    expect(code, stderr).toBe(0);
    expect(stdout.trim().split('\n')).toEqual([
      'success cost unknown',
      'success true',
      '$0 that is known',
      'failed_precondition ILLEGAL_TRANSITION true',
      scene.tcp(),
    ]);
  });

  test.skipIf(!hasCurl).concurrent('its shell', async () => {
    const { code, stdout, stderr } = await shell(programOf(blocks, 'sh'));
    expect(code, stderr).toBe(0);
    expect(stdout).toContain('"outcome":"OUTCOME_SUCCESS"');
    expect(stdout).toMatch(/"reason":"TASK_NOT_FOUND".*curl ends with 22\n/);
    expect(stdout).toContain(`"tcpAddress":"${scene.tcp()}"`);
    expect(stdout).toContain('singletree.v1.TaskService/WatchTask');
    expect(stdout).toMatch(/"sequence": ?"3"/);
    expect(stdout).not.toMatch(/"sequence": ?"2"/);
  });
});

describe('examples/node-grpc', () => {
  exampleTests(
    () => scene,
    () => ({ command: [process.execPath, join(root, 'examples/node-grpc/run.ts')], aSecond: '1' }),
    process.env['SINGLETREE_TEST_FULL'] !== '1',
  );
});

function shell(script: string): Promise<Ended> {
  const PATH = [join(root, 'node_modules/.bin'), process.env['PATH']].join(delimiter);
  return scene.start(['bash', '-euo', 'pipefail'], { PATH }, programOn(script)).ended;
}

/** An example as it stands, but for the reader's own HOME and port. */
function programOn(text: string): string {
  return text.replaceAll('/home/me', scene.home).replaceAll('http://127.0.0.1:7470', scene.tcp());
}
