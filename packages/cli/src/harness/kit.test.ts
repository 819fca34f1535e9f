import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { temporaryFolder } from '@singletree/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cli } from '../cli.ts';
import { install, root, writeFiles } from './page.testsuite.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
  writeFileSync(join(folder.path, 'packed.jsonl.gz'), gzipSync('{"type":"turn.started"}\n'));
});
afterAll(async () => await folder[Symbol.asyncDispose]());

/** Types a command where no daemon may be started. */
async function type(argv: readonly string[], stdin: readonly Uint8Array[] = []): Promise<{ code: number; stdout: string; stderr: string }> {
  const said = { stdout: '', stderr: '' };
  const into = (name: 'stdout' | 'stderr') => ({ isTTY: false, write: (data: string | Uint8Array) => void (said[name] += String(data)) });
  const code = await cli(argv, {
    env: { SINGLETREE_STATE: '/proc/none', HOME: folder.path, PATH: '/usr/bin:/bin' },
    cwd: folder.path,
    stdin: {
      async *[Symbol.asyncIterator]() {
        yield* stdin;
      },
    },
    stdout: into('stdout'),
    stderr: into('stderr'),
    onInterrupt: () => () => {},
  });
  return { code, ...said };
}

const recordings = join(root, 'packages/harness-claude/fixtures/2.1.329');
const edit = join(recordings, 'success-with-edit.jsonl');

describe('what is typed wrongly is said before anything is decoded', () => {
  test.each<[string, string[], string]>([
    ['another verb', ['decod', 'x'], 'error: "decod" is nothing that harness does\n  did you mean decode?\n'],
    [
      'another harness',
      ['decode', 'claude', edit],
      'error: unknown harness "claude"\n  known harnesses: claude_code, codex, opencode\n  did you mean claude_code?\n',
    ],
    ['no file', ['decode', 'claude_code', '/no/such/file'], 'error: there is no file /no/such/file\n'],
    ['a folder', ['decode', 'claude_code', recordings], `error: ${recordings} is a directory\n  name a file of it\n`],
    [
      'a packed file',
      ['decode', 'codex', 'packed.jsonl.gz'],
      'error: packed.jsonl.gz is packed\n  unpack it first: gzip -dc FILE | singletree harness decode ID\n',
    ],
    ['no session file', ['decode', 'claude_code', edit, '--summary', '--session-file', '/none'], 'error: there is no file /none\n'],
    [
      'no session',
      ['decode', 'claude_code', '/dev/null', '--summary', '--session-file', edit],
      'which session it is of\n  name it with --session\n',
    ],
    ['a correction of nothing', ['decode', 'claude_code', edit, '--session', 'x'], 'error: --session changes no event\n'],
    ['no baseline', ['decode', 'claude_code', edit, '--baseline', edit], 'holds no baseline\n  expected { "version": 1'],
    [
      'no exit',
      ['decode', 'claude_code', edit, '--summary', '--exit', 'well'],
      'error: --exit "well" is neither an exit code nor a signal\n',
    ],
    ['a flag of another verb', ['decode', 'claude_code', edit, '--out', 'x'], 'error: --out is no flag of harness decode\n'],
    [
      'too much',
      ['decode', 'claude_code', edit, edit],
      'error: harness decode: too many arguments\n  singletree harness decode ID [FILE]\n',
    ],
    ['too little', ['conformance'], 'error: harness conformance: something is missing\n  singletree harness conformance PACKAGE\n'],
    ['no folder to write to', ['record', '-'], 'error: --out is missing\n'],
    ['no plugin', ['conformance', './nowhere'], '"./nowhere" cannot be loaded'],
    ['no package', ['conformance', 'singletree-harness-none'], 'error: cannot find "singletree-harness-none"\n'],
  ])('%s', async (_, argv, message) => {
    const { code, stdout, stderr } = await type(['harness', ...argv]);
    expect(stderr).toContain(message);
    expect([code, stdout]).toEqual([2, '']);
  });

  test.each([
    [['harnesses', 'show', 'codx'], 'did you mean codex?'],
    [['harnesses', 'claude_code'], 'singletree harnesses show claude_code'],
    [['harnesses', 'show'], 'which harness is missing'],
  ])('%j', async (argv, message) => {
    const { code, stderr } = await type(argv);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});

describe('decode', () => {
  const json = (typed: { readonly stdout: string }): unknown => JSON.parse(typed.stdout);

  test('session files correct what a killed run has told, whatever they are called now', async () => {
    const killed = join(recordings, 'sessions/subagent-killed');
    const decode = ['harness', 'decode', 'claude_code', join(killed, 'stdout.jsonl'), '--summary', '--json'];
    const alone = json(await type(decode));
    expect(alone).toMatchObject({ usage: { provenance: 'reported', lower_bound: true }, ended: { kind: 'missing' } });
    expect(alone).not.toHaveProperty('usage.output_tokens');
    const files = ['file-0.jsonl', 'file-1.jsonl'].flatMap((file) => ['--session-file', join(killed, file)]);
    expect(json(await type([...decode, ...files]))).toMatchObject({
      usage: { uncached_input_tokens: 1170, cache_read_input_tokens: 3450, output_tokens: 314, provenance: 'recovered' },
      subagent_usage: { output_tokens: expect.any(Number) as number },
      turns: 1,
    });
  });

  test('events come one a line, from standard input too; lines that are not known are kept', async () => {
    const stdin = Buffer.concat([readFileSync(edit), Buffer.from('{"type":"news"}\n')]);
    const { stdout } = await type(['harness', 'decode', 'claude_code', '--json'], [stdin]);
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events[0]).toMatchObject({ kind: 'session.started', source: 'stdout', session_id: expect.any(String) as string });
    expect(events.at(-1)).toEqual({ kind: 'raw', source: 'stdout', ends_at: stdin.length, line: '{"type":"news"}' });
    const { stdout: told } = await type(['harness', 'decode', 'claude_code', edit]);
    expect(told.trimEnd().split('\n')).toHaveLength(events.length - 1);
  });

  test('how the process ended counts where the CLI said nothing', async () => {
    const stderr = join(folder.path, 'stderr.txt');
    writeFileSync(stderr, '--dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons\n');
    const told = await type(['harness', 'decode', 'claude_code', '-', '--stderr', stderr, '--exit', '1', '--summary', '--json']);
    expect(json(told)).toEqual({
      harness: 'claude_code',
      usage: { provenance: 'missing' },
      context: {},
      unknown_events: 0,
      ended: { kind: 'failed', reason: 'invalid_configuration', message: expect.stringContaining('root/sudo') as string },
    });
  });

  test('takes its input in any pieces, and a line without an end in little memory', async () => {
    const piece = Buffer.alloc(1024 * 1024, 'x');
    const { code, stdout } = await type(
      ['harness', 'decode', 'claude_code', '--json'],
      [...Array.from({ length: 100 }, () => piece), Buffer.from('\n{"type":"news"}\n')],
    );
    const [warning, raw] = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(warning).toMatchObject({ kind: 'warning', ends_at: piece.length * 100 + 1 });
    expect(raw).toMatchObject({ kind: 'raw', line: '{"type":"news"}' });
    expect(code).toBe(0);
  });

  test('tells nothing of an output that tells nothing', async () => {
    const { code, stdout, stderr } = await type(
      ['harness', 'decode', 'opencode', '--summary', '--json'],
      [Buffer.from('{"type":"news"}\n')],
    );
    expect([code, stderr]).toEqual([0, 'warning: nothing of it is what OpenCode prints: none of its lines is known\n']);
    expect(JSON.parse(stdout)).toEqual({
      harness: 'opencode',
      usage: { provenance: 'missing' },
      context: {},
      unknown_events: 1,
      ended: { kind: 'missing' },
    });
  });
});

// Each of them tries every rule once.
describe('conformance', { timeout: 120_000 }, () => {
  const plugin = (): string => join(folder.path, 'singletree-harness-owl');

  beforeAll(() => {
    writeFiles(folder.path);
    install(plugin());
    const fixtures = join(plugin(), 'fixtures/1.4.0');
    mkdirSync(fixtures, { recursive: true });
    const owl = (args: readonly string[]): Buffer =>
      execFileSync(process.execPath, [join(folder.path, 'bin/owl'), ...args], { cwd: folder.path, input: 'Hoot' });
    writeFileSync(join(fixtures, 'version.txt'), owl(['--version']));
    writeFileSync(join(fixtures, 'greeting.jsonl'), owl([]));
    const total = { uncachedInputTokens: 500, cacheReadInputTokens: 2000, outputTokens: 55, reasoningOutputTokens: 20 };
    const expected = {
      total,
      turns: 2,
      provenance: 'reported',
      lowerBound: false,
      apiRetries: null,
      filesChanged: 1,
      evidence: { result: 'completed' },
    };
    writeFileSync(join(fixtures, 'greeting.expected.json'), JSON.stringify({ expected }));
  });

  interface Report {
    readonly passed: boolean;
    readonly rules: readonly {
      readonly rule: string;
      readonly passed: boolean;
      readonly failures: readonly { readonly message: string }[];
    }[];
  }

  async function tried(path: string): Promise<Report & { readonly code: number; readonly broken: readonly string[] }> {
    const { code, stdout } = await type(['harness', 'conformance', path, '--json', '--lines', '200']);
    const report = JSON.parse(stdout) as Report;
    return { code, ...report, broken: report.rules.filter(({ passed }) => !passed).map(({ rule }) => rule) };
  }

  test('of the plugin of the page finds nothing wrong', async () => {
    const { code, passed, broken } = await tried(plugin());
    expect([code, passed, broken]).toEqual([0, true, []]);
  });

  // A fault for each rule of the suite is beside the suite.
  test.each<[fault: string, rule: string, from: string | RegExp, to: string]>([
    ['usage that is not disjoint', 'usage totals', 'all - (cacheRead ?? 0)', 'all'],
    ['a word that is not in the contract', 'event shapes', "[{ kind: 'model.call',", "[{ kind: 'model.call', price: 1,"],
  ])('of a plugin with %s names "%s"', async (fault, rule, from, to) => {
    const mutant = join(folder.path, fault.replaceAll(/\W/g, '-'), 'singletree-harness-owl');
    cpSync(plugin(), mutant, { recursive: true });
    const file = join(mutant, 'index.js');
    const right = readFileSync(file, 'utf8');
    const wrong = right.replace(from, to);
    expect(wrong).not.toBe(right);
    writeFileSync(file, wrong);
    const { code, passed, broken } = await tried(mutant);
    expect(broken).toContain(rule);
    expect([code, passed]).toEqual([1, false]);
  });

  test.each<[fault: string, rule: string, message: string, module: string]>([
    ['that throws while it is loaded', 'declaration', 'no owl here', "throw new Error('no owl here');"],
    ['that is not there', 'declaration', 'it has no harness of harness/v1 as its default export', 'export const owl = 1;'],
    [
      'of another contract',
      'declaration',
      'it is of the contract "harness/v2", and this Singletree knows harness/v1: another version of one of them is needed',
      "export default { specificationVersion: 'harness/v2' };",
    ],
    [
      'that lacks a member',
      'declaration',
      'it is no whole harness: "decoder" is no function',
      "import owl from './index.js'; const { decoder, ...rest } = owl; export default rest;",
    ],
    [
      'that ends the process',
      'permission modes',
      'it ended the process that had asked it, with the exit code 3',
      "import owl from './index.js'; export default { ...owl, command: (attempt, settings) => (attempt.permissions === 'read' ? process.exit(3) : owl.command(attempt, settings)) };",
    ],
    [
      'that hangs',
      'unknown events',
      'no answer in 5 s',
      `import owl from './index.js';
       const never = new Int32Array(new SharedArrayBuffer(4));
       const hang = (bytes) => bytes.includes('"nested"') && Atomics.wait(never, 0, 0);
       export default { ...owl, decoder: (...how) => { const right = owl.decoder(...how); return { ...right, push: (bytes) => (hang(bytes), right.push(bytes)) }; } };`,
    ],
  ])('of a plugin %s names "%s"', async (fault, rule, message, module) => {
    const file = join(plugin(), `${fault.replaceAll(/\W/g, '-')}.js`);
    writeFileSync(file, module);
    const { code, stdout } = await type(['harness', 'conformance', file, '--json', '--lines', '10', '--case-limit', '5']);
    const { passed, rules } = JSON.parse(stdout) as Report;
    expect([code, passed]).toEqual([1, false]);
    expect(rules.flatMap((each) => each.failures.map((failure) => [each.rule, failure.message]))).toContainEqual([rule, message]);
    // What came before and after it was tried all the same.
    if (rule !== 'declaration') expect(rules.filter((each) => each.passed).length).toBeGreaterThan(15);
  });

  test('of a package by another name says what it should be, and a person is told why', async () => {
    const other = join(folder.path, 'other');
    cpSync(plugin(), other, { recursive: true });
    writeFileSync(join(other, 'package.json'), JSON.stringify({ name: 'owls', type: 'module', exports: './index.js' }));
    const { code, stdout } = await type(['harness', 'conformance', './other', '--lines', '10']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/✗ package +4 of 4 cases failed\n/);
    expect(stdout).toContain('package.json: "owls" should be singletree-harness-NAME');
    expect(stdout).toMatch(/breaks 1 rule\n$/);
    // Its module by itself is nobody's package.
    expect(await tried(join(other, 'index.js'))).toMatchObject({ code: 0, broken: [] });
  });

  test('needs recordings', async () => {
    const unrecorded = join(folder.path, 'unrecorded');
    cpSync(plugin(), unrecorded, { recursive: true });
    rmSync(join(unrecorded, 'fixtures'), { recursive: true });
    const { code, stderr } = await type(['harness', 'conformance', unrecorded]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('there is no recording in')]);
  });
});
