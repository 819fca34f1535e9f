import type { Instant, Task } from './task.ts';

/** A kill switch that is thrown. */
export interface KillSwitch {
  /** What it stops, as a person types it. */
  readonly scope: string;
  readonly by: string;
  readonly why?: string;
  readonly at: Instant;
}

/**
 * Every scope of the kill switch that hits a task, as a person types it: `all`, `harness=ID`, `model=NAME`, `workspace=PATH` for its
 * directory and each one above, `label=KEY` and `label=KEY=VALUE`. A switch hits a task exactly if its scope is in this list, so that
 * the store, the shims and the queue all compare in the same way.
 */
export function scopesOf({ spec, attempts }: Task): readonly string[] {
  const newest = attempts.at(-1);
  // What was asked for, and what really ran: a person knows a model by either name.
  const models = [spec.model, newest?.requestedModel, newest?.live?.model, newest?.account?.model].filter((model) => model !== undefined);
  return [
    'all',
    `harness=${spec.harness}`,
    ...[...new Set(models)].map((model) => `model=${model}`),
    ...ancestors(spec.workspace.path).map((path) => `workspace=${path}`),
    ...Object.entries(spec.labels).flatMap(([key, value]) => [`label=${key}`, `label=${key}=${value}`]),
  ];
}

/** The first of the kill switches that hits a task. */
export function killSwitchOf(task: Task, thrown: readonly KillSwitch[]): KillSwitch | undefined {
  if (thrown.length === 0) return undefined;
  const scopes = scopesOf(task);
  return thrown.find(({ scope }) => scopes.includes(scope));
}

/** `/a/b` → `/a/b`, `/a`, `/`. */
function ancestors(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '');
  return [...parts.map((_, index) => `/${parts.slice(0, parts.length - index).join('/')}`), '/'];
}
