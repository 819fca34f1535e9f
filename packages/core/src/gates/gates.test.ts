import { execFileSync, spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';

import { messageOf } from './message.ts';
import { readableEnd } from './readable.ts';
import { judgementOf, shellCommand } from './result.ts';
import { setupHint } from './setup-hint.ts';
import { verdictOf, type GateExit } from './verdict.ts';

describe('the verdict', () => {
  test.each<[string, Partial<GateExit>, string, string?]>([
    ['exit 0', { code: 0 }, 'passed'],
    ['exit 1', { code: 1 }, 'failed'],
    ['exit 2', { code: 2 }, 'failed'],
    ['exit 125', { code: 125 }, 'failed'],
    ['exit 126', { code: 126 }, 'errored', 'exit 126: a command in it cannot be executed'],
    ['exit 127', { code: 127 }, 'errored', 'exit 127: a command in it was not found'],
    ['exit 128', { code: 128 }, 'failed'],
    ['exit 255', { code: 255 }, 'failed'],
    ['a crash of its own', { signal: 'SIGSEGV' }, 'failed'],
    ['an abort of its own', { signal: 'SIGABRT' }, 'failed'],
    ['a kill from outside', { signal: 'SIGKILL' }, 'errored', 'it was ended by SIGKILL from outside'],
    ['a SIGTERM from outside', { signal: 'SIGTERM' }, 'errored', 'it was ended by SIGTERM from outside'],
    ['its time limit', { signal: 'SIGINT', stop: 'timeout' }, 'errored', 'it took longer than its time limit'],
    ['its time limit, answered with exit 0', { code: 0, stop: 'timeout' }, 'errored', 'it took longer than its time limit'],
    ['its output limit', { signal: 'SIGKILL', stop: 'output_limit' }, 'errored', 'it said more than its output limit'],
    ['a cancelled task', { code: 0, stop: 'cancel' }, 'errored', 'it was stopped (cancel)'],
    ['no start', { spawnError: 'spawn /bin/sh ENOENT' }, 'errored', 'it could not be started: spawn /bin/sh ENOENT'],
    ['no status at all', {}, 'errored', 'it left no exit status'],
  ])('%s', (_, exit, verdict, why) => {
    expect(verdictOf({ code: null, signal: null, ...exit })).toEqual({ verdict, ...(why === undefined ? {} : { why }) });
  });

  test('has the output beside it, which changes nothing', () => {
    const passed = judgementOf(
      { code: 0, signal: null },
      Buffer.from('Error: everything is broken, not found\n'),
      new Set(['package.json']),
    );
    expect(passed).toEqual({ verdict: 'passed', exitCode: 0, tail: 'Error: everything is broken, not found\n' });
    const errored = judgementOf(
      { code: 127, signal: null },
      Buffer.from('sh: 1: jest: not found\n'),
      new Set(['package.json', 'package-lock.json']),
    );
    expect(errored).toEqual({
      verdict: 'errored',
      exitCode: 127,
      message: 'exit 127: a command in it was not found · sh: 1: jest: not found',
      hint: "this workspace has no node_modules: if the command needs the dependencies of package-lock.json, add --setup 'npm ci'",
      tail: 'sh: 1: jest: not found\n',
    });
    expect(judgementOf({ code: null, signal: 'SIGSEGV' }, Buffer.alloc(0), new Set())).toEqual({ verdict: 'failed' });
  });
});

describe('a command', () => {
  const run = (command: string): ReturnType<typeof spawnSync> => {
    const { file, args } = shellCommand(command);
    return spawnSync(file, args, { encoding: 'utf8' });
  };

  test.each([
    [`printf '%s' "a  b" '$x' | cat`, 'a  b$x'],
    ['echo one; echo two >&2', 'one\n'],
    ['cat <<X\nhere\nX', 'here\n'],
  ])('%j is one shell line', (command, stdout) => expect(run(command)).toMatchObject({ status: 0, stdout }));

  test('that begins with a dash is a command and no option', () => expect(run('-c')).toMatchObject({ status: 127 }));
});

describe('the end of an output', () => {
  test('is cut between characters, wherever that falls', () => {
    const text = 'x€😀é'.repeat(10);
    const bytes = Buffer.from(text);
    for (let most = 0; most <= bytes.length; most += 1) {
      const end = readableEnd(bytes, most);
      expect(text.endsWith(end), `${most}: ${end}`).toBe(true);
      expect(Buffer.byteLength(end)).toBeGreaterThan(most - 4);
    }
  });

  test('has no colours, links, cursor movements or characters that turn text round; progress lines become lines', () => {
    const output =
      '\u001b[31mred\u001b[0m \u001b]8;;http://x\u0007link\u001b]8;;\u0007 a\u0000b\u0008c\u007f\u009b2J\u202egnol\u2066 10 %\r20 %\r\ntab\there\n';
    expect(readableEnd(Buffer.from(output), 1000)).toBe('red link abcgnol 10 %\n20 %\ntab\there\n');
    expect(readableEnd(Buffer.from([0x61, 0xff, 0x62]), 1000)).toBe('a\ufffdb');
    expect(readableEnd(Buffer.from('👩‍💻 עברית'), 1000)).toBe('👩‍💻 עברית');
  });
});

describe('the line that tells why', () => {
  test.each([
    [
      'node --test, with a message',
      '✔ ok (1.2ms)\n✖ msg (0.1ms)\n  AssertionError [ERR_ASSERTION]: expected 12.50, got 12.5\n      at TestContext.<anonymous> (/tmp/gt/price.test.js:4:28)\n      at Test.run (node:internal/test_runner/test:796:25) {\n    expected: 2,\n  }\nℹ tests 3\nℹ fail 2\n✖ failing tests:\n\ntest at price.test.js:4:1\n✖ msg (0.1ms)\n  AssertionError [ERR_ASSERTION]: expected 12.50, got 12.5\n',
      'price.test.js:4: AssertionError [ERR_ASSERTION]: expected 12.50, got 12.5',
    ],
    [
      'node --test, without one',
      "✖ rounds half up (1.4ms)\n  AssertionError [ERR_ASSERTION]: Expected values to be strictly equal:\n  + actual - expected\n  \n  + '12.5'\n  - '12.50'\n         ^\n      at TestContext.<anonymous> (/tmp/gt/price.test.js:3:39)\n      at Test.run (node:internal/test_runner/test:796:25)\n",
      "price.test.js:3: AssertionError [ERR_ASSERTION]: Expected values to be strictly equal: + '12.5' - '12.50'",
    ],
    ['a script', 'price.test.js: expected 12.50, got 12.5\n', 'price.test.js: expected 12.50, got 12.5'],
    [
      'vitest',
      ' FAIL  src/sum.test.ts > adds\nAssertionError: expected 3 to be 4 // Object.is equality\n ❯ src/sum.test.ts:5:18\n      3|\n Test Files  1 failed (1)\n      Tests  1 failed (1)\n',
      'sum.test.ts:5: AssertionError: expected 3 to be 4 // Object.is equality',
    ],
    [
      'jest',
      '  ● sum › adds\n\n    expect(received).toBe(expected) // Object.is equality\n\n    Expected: 4\n    Received: 3\n\n      at Object.<anonymous> (src/sum.test.js:3:13)\n\nTests:       1 failed, 1 total\n',
      'sum.test.js:3: Expected: 4 Received: 3',
    ],
    [
      'pytest',
      '    def test_x():\n>       assert f() == 2\nE       assert 1 == 2\nE        +  where 1 = f()\n\ntest_x.py:4: AssertionError\n=== short test summary info ===\nFAILED test_x.py::test_x - assert 1 == 2\n',
      'test_x.py:4: E assert 1 == 2',
    ],
    [
      'go test',
      '--- FAIL: TestAdd (0.00s)\n    add_test.go:9: got 1, want 2\nFAIL\nexit status 1\nFAIL\texample\t0.002s\n',
      'add_test.go:9: got 1, want 2',
    ],
    [
      'cargo test',
      "thread 'tests::it' panicked at src/lib.rs:10:9:\nassertion `left == right` failed\n  left: 1\n right: 2\nnote: run with RUST_BACKTRACE=1\n",
      "thread 'tests::it' panicked at src/lib.rs:10:9: assertion `left == right` failed left: 1",
    ],
    [
      'tsc',
      "src/a.ts(3,5): error TS2322: Type 'string' is not assignable to type 'number'.\nFound 1 error.\n",
      "src/a.ts(3,5): error TS2322: Type 'string' is not assignable to type 'number'.",
    ],
    [
      'npm, when the tool says nothing',
      '\n> shop@1.0.0 test\n> exit 1\n\nnpm error Lifecycle script `test` failed\n',
      'npm error Lifecycle script `test` failed',
    ],
    ['anything else', 'first\nsomething went by\n\n', 'something went by'],
  ])('%s', (_, output, message) => expect(messageOf(output)).toBe(message));

  test('is short, and missing where nothing was said', () => {
    const message = messageOf(`Error: ${'😀 '.repeat(200)}`) ?? '';
    expect(message).toMatch(/^Error: (😀 )+😀…$/u);
    expect(Array.from(message).length).toBeLessThanOrEqual(200);
    expect(messageOf('')).toBeUndefined();
    expect(messageOf('\n===\n')).toBeUndefined();
  });

  test('is found quickly in the worst 8 KiB', () => {
    const before = performance.now();
    for (const hard of [
      'a'.repeat(8192),
      'a.'.repeat(4096),
      'a-/'.repeat(2700),
      'a/'.repeat(4096),
      'expected '.repeat(900),
      ':'.repeat(8192),
      `${' '.repeat(8000)}x`,
      '(a.b('.repeat(1600),
    ])
      messageOf(hard);
    expect(performance.now() - before).toBeLessThan(300);
  });
});

describe('the hint', () => {
  const node = ['package.json', 'package-lock.json', 'src'];
  test.each<[string, number, string, string[], string | undefined]>([
    ['npm with a lock', 127, 'sh: 1: jest: not found', node, 'npm ci'],
    ['npm without one', 127, '', ['package.json'], 'npm install'],
    ['pnpm', 127, '', ['package.json', 'pnpm-lock.yaml'], 'pnpm install --frozen-lockfile'],
    ['a module that is missing', 1, "Error: Cannot find module 'left-pad'", node, 'npm ci'],
    [
      'python',
      1,
      "ModuleNotFoundError: No module named 'requests'",
      ['requirements.txt'],
      'python3 -m venv .venv && .venv/bin/pip install -r requirements.txt',
    ],
    ['what is installed needs no setup', 127, 'sh: 1: jest: not found', [...node, 'node_modules'], undefined],
    ['a test that is red for another reason', 1, 'expected 1, got 2', node, undefined],
    ['no project that we know', 127, 'sh: 1: foo: not found', ['Makefile'], undefined],
    ['a passed gate', 0, 'not found', node, undefined],
  ])('%s', (_, code, output, entries, setup) => {
    const hint = setupHint(code, output, new Set(entries));
    if (setup === undefined) expect(hint).toBeUndefined();
    else expect(hint).toContain(`--setup '${setup}'`);
  });

  test('fits what npm really says of a tool that is not installed', () => {
    const said = spawnSync('/bin/sh', ['-c', 'jest-that-is-not-here'], { encoding: 'utf8' });
    expect(setupHint(said.status, said.stderr, new Set(node))).toContain("--setup 'npm ci'");
    expect(execFileSync('/bin/sh', ['-c', 'echo ok'], { encoding: 'utf8' })).toBe('ok\n');
  });
});
