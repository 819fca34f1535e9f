import { expect, test } from 'vitest';
import { nativeExecutables } from './native.ts';

test('the program lies in a package beside or inside the one with the script, or in the same one', () => {
  const script = '/usr/lib/node_modules/@openai/codex/bin/codex.js';
  expect(nativeExecutables(script, 'x64').filter((path) => path.endsWith('/bin/codex'))).toEqual([
    '/usr/lib/node_modules/@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex',
    '/usr/lib/node_modules/@openai/codex/node_modules/@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex',
    '/usr/lib/node_modules/@openai/codex/vendor/x86_64-unknown-linux-musl/bin/codex',
  ]);
  expect(nativeExecutables(script, 'arm64')[0]).toBe(
    '/usr/lib/node_modules/@openai/codex-linux-arm64/vendor/aarch64-unknown-linux-musl/bin/codex',
  );
});

test.each([
  ['/usr/local/bin/codex', 'x64'],
  ['/opt/codex-x86_64-unknown-linux-musl', 'x64'],
  ['/usr/lib/node_modules/@openai/codex/bin/codex.js', 'riscv64'],
])('%s on %s is what it is', (executable, arch) => expect(nativeExecutables(executable, arch)).toEqual([]));
