import type { Complexity, GateKind, Outcome, PermissionMode, TaskType, WorkspaceMode } from '@singletree/sdk';

/** The words that flags and task files take. The types say when the protocol gets another one. */

export const taskTypes = keysOf<TaskType>({
  planning: true,
  implementation: true,
  code_review: true,
  testing: true,
  debugging: true,
  refactoring: true,
  documentation: true,
  configuration: true,
  security_audit: true,
});

export const outcomes = keysOf<Outcome>({ success: true, partial: true, failure: true, timeout: true });
export const complexities = keysOf<Complexity>({ low: true, medium: true, high: true, critical: true });
export const permissionModes = keysOf<PermissionMode>({ all: true, edits: true, read: true });
export const workspaceModes = keysOf<WorkspaceMode>({ worktree: true, in_place: true, clone: true });
export const gateKinds = keysOf<GateKind>({
  build: true,
  lint: true,
  test: true,
  typecheck: true,
  security: true,
  coverage: true,
  custom: true,
});

function keysOf<W extends string>(words: Readonly<Record<W, true>>): readonly W[] {
  return Object.keys(words) as W[];
}
