import { expect, test } from 'vitest';
import { findClaudeCode } from './claude-code.ts';

test('each platform that has a build gets its own', () => {
  const x64 = findClaudeCode('/toolchain', 'linux', 'x64');
  expect(x64).toMatchObject({ isInstalled: false, packageName: '@anthropic-ai/claude-code-linux-x64' });
  expect(x64.executable).toBe(`/toolchain/claude-code-${x64.version}/node_modules/@anthropic-ai/claude-code-linux-x64/claude`);
  expect(findClaudeCode('/toolchain', 'linux', 'arm64').packageName).toBe('@anthropic-ai/claude-code-linux-arm64');
});

test.each([
  ['darwin', 'arm64'],
  ['linux', 'riscv64'],
])('%s on %s is told what would be right', (platform, arch) => {
  expect(() => findClaudeCode('/toolchain', platform, arch)).toThrow(
    `needs Linux on x64 or arm64: Claude Code 2.1.329 was not tried on ${platform} ${arch}`,
  );
});
