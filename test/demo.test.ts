import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { decodeSpans, temporaryFolder, until } from '@singletree/testing';
import { describe, expect, test } from 'vitest';

const checkout = resolve(import.meta.dirname, '..');
const full = process.env['SINGLETREE_TEST_FULL'] === '1';
/** A real agent, two daemons; and the agent itself must be fetched where `npm start` never ran. */
const limitMs = 240_000;

function start(args: readonly string[], environment: Readonly<Record<string, string>> = {}): ChildProcess {
  return spawn(process.execPath, [join(checkout, 'packages/cli/src/main.ts'), 'demo', ...args], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function run(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const child = start(args, environment);
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, 'close')]);
  return { pid: child.pid!, code: code as number, stdout, stderr };
}

/** What is there of a demo: its folder, and the processes that have this folder in their environment or among their arguments. */
function tracesOf(pid: number): { processes: readonly string[]; folder: boolean } {
  const folder = join(checkout, '.demo', String(pid));
  const readProc = (process: string, file: string): string => {
    try {
      return readFileSync(join('/proc', process, file), 'utf8');
    } catch {
      return ''; // it has just ended
    }
  };
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => ['environ', 'cmdline'].some((file) => readProc(name, file).includes(`${folder}/`)));
  return { processes, folder: existsSync(folder) };
}

const gone = { processes: [], folder: false };

interface IndexLine {
  readonly file: string;
  readonly path: string;
  readonly content_type: string;
  readonly acknowledged: boolean;
}

interface ModelLine {
  readonly step: number;
  readonly usage: Readonly<Record<'input_tokens' | 'cache_read_input_tokens' | 'cache_creation_input_tokens' | 'output_tokens', number>>;
}

function readLines<T>(...path: readonly string[]): T[] {
  const lines = readFileSync(join(...path), 'utf8')
    .trim()
    .split('\n');
  return lines.map((line) => JSON.parse(line));
}

describe.concurrent('the demo', () => {
  test('shows disbelief handled on a real agent, and leaves evidence that others can check', { timeout: limitMs }, async () => {
    await using folder = await temporaryFolder();
    const out = join(folder.path, 'evidence');
    const { pid, code, stdout, stderr } = await run(['--json', '--out', out, '--seed', '7']);
    expect(stderr).toMatch(/✗ gate test +exit 1 in .*price\.test\.js: expected 12\.50, got 12\.5/);
    expect(stderr).toMatch(/! kill -9 +daemon \d+ is gone; the agent \(\d+\) works on/);
    expect(stderr).toMatch(/! unwatched +\d\d,\d{3} bytes written while nobody read/);
    expect(stderr).toMatch(/✓ adopted .* the same attempt · 0 bytes lost · deadline still armed/);
    expect(stderr).toMatch(/✓ delivered .* first acknowledgement dropped on purpose\n +the same [\d,]+ bytes came again, byte for byte/);
    expect(stderr).toMatch(/the event says .* equal\n {2}processes left +0\n/);
    expect(stderr).not.toMatch(/not equal/);
    expect(code).toBe(0);
    expect(tracesOf(pid)).toEqual(gone);

    const event = JSON.parse(readFileSync(join(out, 'event.json'), 'utf8'));
    expect(JSON.parse(stdout)).toEqual(event);
    expect(event).toMatchObject({
      outcome: 'success',
      retry_count: 1,
      task_type: 'debugging',
      harness: 'claude_code',
      quality_gates_run: ['test'],
    });

    const [first, second, ...more] = readLines<IndexLine>(out, 'otlp', 'index.jsonl');
    expect(more).toEqual([]);
    expect(first).toEqual({ file: '001.bin', path: '/v1/traces', content_type: 'application/x-protobuf', acknowledged: false });
    expect(second).toEqual({ file: '002.bin', path: '/v1/traces', content_type: 'application/x-protobuf', acknowledged: true });
    const bodies = [first!, second!].map(({ file }) => readFileSync(join(out, 'otlp', file)));
    expect(bodies[0]!.equals(bodies[1]!)).toBe(true);

    const spans = decodeSpans(bodies[0]!).toSorted((a, b) => Number(a.start - b.start));
    expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([event.trace_id]));
    const [root, ...otherRoots] = spans.filter(({ parentSpanId }) => parentSpanId === undefined);
    expect(root).toMatchObject({ name: 'invoke_workflow debugging', status: { code: 'unset' } });
    expect(root!.attributes['singletree.task.retry_count']).toBe(1);
    expect(otherRoots).toEqual([]);
    const below = spans.filter((span) => span !== root && !span.name.startsWith('wait '));
    expect(below.map(({ name }) => name)).toEqual(['invoke_agent claude_code', 'gate test', 'invoke_agent claude_code', 'gate test']);
    expect(below.map(({ parentSpanId }) => parentSpanId)).toEqual(below.map(() => root!.spanId));
    expect(below.map(({ status }) => status.code)).toEqual(['unset', 'error', 'unset', 'unset']);

    const calls = readLines<ModelLine>(out, 'model.jsonl');
    expect(calls.map(({ step }) => step)).toEqual(calls.map((_, index) => index + 1));
    const sum = (kind: keyof ModelLine['usage']): number => calls.reduce((total, { usage }) => total + usage[kind], 0);
    const served = {
      uncached_input_tokens: sum('input_tokens'),
      cache_read_input_tokens: sum('cache_read_input_tokens'),
      cache_write_input_tokens: sum('cache_creation_input_tokens'),
      output_tokens: sum('output_tokens'),
    };
    expect(Math.min(...Object.values(served))).toBeGreaterThan(0);
    expect(event.usage).toMatchObject(served);
    const inSpans = (name: string): number => below.reduce((total, { attributes }) => total + Number(attributes[name] ?? 0), 0);
    expect(inSpans('gen_ai.usage.cache_read.input_tokens')).toBe(served.cache_read_input_tokens);
    expect(inSpans('gen_ai.usage.cache_write.input_tokens')).toBe(served.cache_write_input_tokens);
    expect(inSpans('gen_ai.usage.output_tokens')).toBe(served.output_tokens);
  });

  // The comparison itself is tried beside its source; this is a whole demo once more.
  test.runIf(full)('says "not equal" and exits 1 when one figure of what was served is altered', { timeout: limitMs }, async () => {
    await using folder = await temporaryFolder();
    const { pid, code, stdout } = await run(['--out', folder.path], { SINGLETREE_TEST_DEMO_ALTER: '1' });
    expect(stdout).toMatch(/the event says .* not equal: output\n {2}processes left +0\n/);
    expect(code).toBe(1);
    const event = JSON.parse(readFileSync(join(folder.path, 'event.json'), 'utf8'));
    const output = readLines<ModelLine>(folder.path, 'model.jsonl').reduce((total, { usage }) => total + usage.output_tokens, 0);
    expect(output).toBe(event.usage.output_tokens + 1);
    expect(tracesOf(pid)).toEqual(gone);
  });

  test('leaves nothing behind when it is interrupted', { timeout: limitMs }, async () => {
    const child = start([]);
    const everything = text(child.stderr!);
    let said = '';
    child.stdout!.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const closed = once(child, 'close');
    // The daemon, the supervisor and the agent.
    const isAtWork = (): boolean => said.includes('attempt 1') && tracesOf(child.pid!).processes.length >= 3;
    await until(isAtWork, { what: 'the agent to work', timeoutMs: limitMs });
    child.kill('SIGINT');
    expect(await closed).toEqual([130, null]);
    expect(await everything).toBe('');
    expect(tracesOf(child.pid!)).toEqual(gone);
  });
});

test('a folder that is not empty is refused, and nothing is done', async () => {
  await using folder = await temporaryFolder();
  mkdirSync(join(folder.path, 'full'));
  writeFileSync(join(folder.path, 'full', 'mine'), 'mine');
  const { pid, code, stderr } = await run(['--out', join(folder.path, 'full')]);
  expect(stderr).toBe(`error: --out: ${folder.path}/full is not empty; name an empty folder or one that does not exist yet\n`);
  expect(code).toBe(2);
  expect(tracesOf(pid)).toEqual(gone);
});
