import { expect, test } from 'vitest';
import { nativeExecutables } from './native.ts';

test('the program lies in a package beside or inside the one that was installed', () => {
  expect(nativeExecutables('/usr/lib/node_modules/opencode-ai/bin/opencode.exe', 'x64')).toEqual([
    '/usr/lib/node_modules/opencode-linux-x64-baseline/bin/opencode',
    '/usr/lib/node_modules/opencode-linux-x64/bin/opencode',
    '/usr/lib/node_modules/opencode-ai/node_modules/opencode-linux-x64-baseline/bin/opencode',
    '/usr/lib/node_modules/opencode-ai/node_modules/opencode-linux-x64/bin/opencode',
  ]);
  expect(nativeExecutables('/n/opencode-ai/bin/opencode', 'arm64')[0]).toBe('/n/opencode-linux-arm64/bin/opencode');
});

test.each(['/usr/local/bin/opencode', '/opt/opencode-linux-x64/bin/opencode', '/root/.opencode/bin/opencode'])(
  '%s is what it is',
  (executable) => expect(nativeExecutables(executable, 'x64')).toEqual([]),
);
