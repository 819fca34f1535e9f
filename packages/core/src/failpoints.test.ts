import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, existsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { failpointNames, parseFailpoints } from './failpoints.ts';

const folder = mkdtempSync(join(tmpdir(), 'singletree-failpoints-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Passes two points three times each, once the asynchronous way, once the other. It lives by itself, as a daemon does, whatever is held. */
const program = `
  import { failpoint, failpointSync } from ${JSON.stringify(new URL('./failpoints.ts', import.meta.url).href)};
  const life = setInterval(() => undefined, 1_000);
  for (let time = 1; time <= 3; time += 1) {
    try { await failpoint('supervision.frame.middle'); failpointSync('supervision.frame.after'); console.log(time); }
    catch (error) { console.log(error.message); }
  }
  clearInterval(life);`;

async function run(
  points: string,
  directory?: string,
  whileRunning?: () => Promise<void>,
): Promise<{ said: string; signal: string | null }> {
  const env = { SINGLETREE_FAILPOINTS: points, ...(directory === undefined ? {} : { SINGLETREE_FAILPOINT_DIR: directory }) };
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const { promise, resolve } = Promise.withResolvers<string | null>();
  child.once('close', (_, signal) => resolve(signal));
  await whileRunning?.();
  const signal = await promise;
  return { said, signal };
}

test.concurrent.each([
  ['', '1\n2\n3\n', null],
  ['supervision.frame.middle=kill', '', 'SIGKILL'],
  ['supervision.frame.middle=kill@3', '1\n2\n', 'SIGKILL'],
  ['supervision.frame.after=kill@2', '1\n', 'SIGKILL'],
  ['supervision.frame.middle=error@2', '1\nfailpoint supervision.frame.middle\n3\n', null],
  ['supervision.frame.after=error,supervision.frame.middle=kill@2', 'failpoint supervision.frame.after\n', 'SIGKILL'],
])('%s', async (points, said, signal) => {
  expect(await run(points)).toEqual({ said, signal });
});

test.concurrent.each(['middle', 'after'])('hold waits for the word to go on: %s', async (which) => {
  const name = `supervision.frame.${which}`;
  const answer = await run(`${name}=hold:${folder}`, undefined, async () => {
    while (!existsSync(join(folder, `${name}.hit`))) await new Promise((resolve) => setTimeout(resolve, 10));
    writeFileSync(join(folder, `${name}.go`), '');
  });
  expect(answer).toEqual({ said: '1\n2\n3\n', signal: null });
});

test('a kill is announced where a test can wait for it', async () => {
  const directory = mkdtempSync(join(folder, 'hit-'));
  await run('supervision.frame.middle=kill', directory);
  expect(Number(readFileSync(join(directory, 'supervision.frame.middle.hit'), 'utf8'))).toBeGreaterThan(1);
});

test('the grammar', () => {
  const points = parseFailpoints('supervision.stop.before=hold@2:/a/b, shim.exit.after=kill');
  expect(points.get('supervision.stop.before')).toEqual({ action: 'hold', nth: 2, directory: '/a/b' });
  expect(points.get('shim.exit.after')).toEqual({ action: 'kill', nth: 1 });
  expect(new Set(failpointNames).size).toBe(failpointNames.length);
});

test.each([
  'supervision.stop.befor=kill',
  'supervision.stop.before',
  'supervision.stop.before=hold',
  'supervision.stop.before=kill@0',
  'supervision.stop.before=kill:/x',
  'shim.exit.after=error',
  'shim.exit.after=kill@2',
])('a point that could never act is an error: %s', (text) => expect(() => parseFailpoints(text)).toThrow('SINGLETREE_FAILPOINTS'));
