import type { GateKind } from './task.ts';

/** Words that gates are commonly named by. Where a name has several (`test-coverage`), the kind that is higher up decides. */
const words: readonly (readonly [GateKind, readonly string[]])[] = [
  ['coverage', ['coverage', 'cov']],
  ['typecheck', ['typecheck', 'types', 'type', 'tsc', 'mypy', 'pyright']],
  ['security', ['security', 'audit', 'sast', 'vulnerabilities']],
  ['lint', ['lint', 'linter', 'eslint', 'oxlint', 'ruff', 'clippy', 'format', 'fmt']],
  ['build', ['build', 'compile']],
  ['test', ['test', 'tests', 'unit', 'integration', 'e2e', 'spec', 'specs']],
];

/** The kind that a gate's name says, where nobody gave one. */
export function gateKindOf(name: string): GateKind {
  const parts = new Set(name.toLowerCase().split(/[^a-z0-9]+/));
  return words.find(([, known]) => known.some((word) => parts.has(word)))?.[0] ?? 'custom';
}
