import { appendFileSync, closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FakeUsage, SessionLine } from './agent.ts';

export interface Session {
  append(line: SessionLine): void;
  /** How many model calls it has had, in all its processes. */
  calls(): number;
  /** What these calls used. */
  total(): FakeUsage;
}

/** Opens the session file: a new one, or to resume one that is there. Throws if it is the other way round, as real agents do. */
export function openSession(id: string, resume: boolean): Session {
  const home = process.env['HOME'];
  if (!home) throw new Error('HOME is not set: sessions are kept below it');
  const folder = join(home, '.fake-agent');
  const path = join(folder, `${id}.jsonl`);
  mkdirSync(folder, { recursive: true });
  try {
    closeSync(openSync(path, resume ? 'r+' : 'wx'));
  } catch (cause) {
    throw new Error(resume ? `there is no session ${id}` : `session ${id} is already in use`, { cause });
  }
  const usages = readFileSync(path, 'utf8').split('\n').flatMap(usageIn);
  return {
    append(line) {
      if (line.type === 'call') usages.push(line.usage ?? {});
      appendFileSync(path, `${JSON.stringify(line)}\n`);
    },
    calls: () => usages.length,
    total: () => usages.reduce(add, {}),
  };
}

/** The usage of the call in a line of the file, empty where nobody knows it. A line that a kill cut off holds none; the prompt of the next process ends it. */
function usageIn(line: string): FakeUsage | [] {
  try {
    const entry: unknown = JSON.parse(line);
    if (typeof entry !== 'object' || entry === null || !('type' in entry) || entry.type !== 'call') return [];
    return 'usage' in entry && typeof entry.usage === 'object' && entry.usage !== null ? entry.usage : {};
  } catch {
    return [];
  }
}

function add(left: FakeUsage, right: FakeUsage): FakeUsage {
  const kinds = ['input', 'cacheRead', 'cacheWrite', 'output', 'reasoning'] as const;
  return Object.fromEntries(kinds.map((kind) => [kind, (left[kind] ?? 0) + (right[kind] ?? 0)]));
}
