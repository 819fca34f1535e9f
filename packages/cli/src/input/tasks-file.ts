import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, resolve } from 'node:path';
import type { CreateTask, GateInput } from '@singletree/sdk';
import { badInput } from '../failure.ts';
import { limitsOf } from './limits.ts';
import { promptOf } from './prompt.ts';
import { retryRulesOf } from './retry-rules.ts';
import { durationOf, fold, truth, unknownKey, wholeNumber, word } from './values.ts';
import { complexities, gateKinds, permissionModes, taskTypes, workspaceModes } from './words.ts';
import { Place } from './yaml-place.ts';

/** What a file says of a task; what it leaves out comes from the flags or is the daemon's to choose. */
export type FileTask = Partial<Omit<CreateTask, 'workspace'>> & {
  readonly workspace?: string;
  readonly workspaceMode?: (typeof workspaceModes)[number];
};

/** A `tasks.yaml`: one task, or a list of tasks. Throws what is wrong with file, line and the nearest known key. */
export function readTasksFile(path: string): FileTask[] {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw badInput(`cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
  return parseTasks(basename(path), bytes, dirname(resolve(path)));
}

export function parseTasks(file: string, bytes: Uint8Array, folder: string): FileTask[] {
  const root = Place.of(file, promptOf(bytes, file));
  const tasks = Array.isArray(root.value) ? root.items('a list of tasks') : [root];
  if (tasks.length === 0) throw root.wrong('there is no task in the list');
  return tasks.map((place) => taskOf(place, folder));
}

type Reader = (place: Place, folder: string) => FileTask;

/** Every key of a task, and what it says. */
const taskKeys: Readonly<Record<string, Reader>> = {
  title: (place) => ({ title: place.text('a text') }),
  instructions: (place) => ({ instructions: place.text('a text') }),
  acceptance_criteria: (place) => ({ acceptanceCriteria: place.items('a list of texts').map((item) => item.text('a text')) }),
  context: (place) => ({ context: place.items('a list of { file: … } and { text: … }').map(contextOf) }),
  task_type: (place) => ({ taskType: word(place, taskTypes) }),
  complexity: (place) => ({ complexity: word(place, complexities) }),
  workspace: (place, folder) => ({ workspace: resolve(folder, withHome(place.text('a path'))) }),
  workspace_mode: (place) => ({ workspaceMode: word(place, workspaceModes) }),
  harness: (place) => ({ harness: place.text('the id of a harness') }),
  model: (place) => ({ model: place.text('the name of a model') }),
  gates: (place) => ({ gates: gatesOf(place) }),
  setup: (place) => ({
    setup:
      typeof place.value === 'string'
        ? [place.value]
        : place.items('a command or a list of commands').map((item) => item.text('a command')),
  }),
  permissions: (place) => ({ permissions: word(place, permissionModes) }),
  limits: (place) => ({ limits: limitsOf(place) }),
  retry: (place) => ({ retry: retryRulesOf(place) }),
  priority: (place) => ({ priority: wholeNumber(place) }),
  labels: (place) => ({
    labels: Object.fromEntries(place.members('a mapping of labels').map(([key, value]) => [key, value.text('a text')])),
  }),
  request_id: (place) => ({ requestId: place.text('a text') }),
};

function taskOf(place: Place, folder: string): FileTask {
  const task = fold(place, 'a task: a mapping with instructions', taskKeys, folder);
  if (task.instructions === undefined) throw place.wrong('instructions are missing', 'instructions: what should be done');
  return task;
}

/** `[{ name, run, … }]`, or as in a repository's own file: `{ test: npm test, lint: { run: …, required: false } }`. */
function gatesOf(place: Place): GateInput[] {
  if (!Array.isArray(place.value)) return place.members('gates').map(([name, gate]) => gateOf(name, gate));
  return place.items('gates').map((gate) => {
    if (typeof gate.value === 'string') {
      throw gate.wrong(`the gate "${gate.value}" has no command`, `write { name: ${gate.value}, run: … }`);
    }
    return gateOf(undefined, gate);
  });
}

function gateOf(named: string | undefined, place: Place): GateInput {
  if (named !== undefined && typeof place.value === 'string') return { name: named, command: place.value };
  const { name = named, command, ...gate } = fold(place, 'a command, or a mapping with run', gateKeys);
  if (name === undefined) throw place.wrong('the gate has no name', 'write { name: test, run: npm test }');
  if (command === undefined) throw place.wrong(`the gate "${name}" has no command`, `write { name: ${name}, run: … }`);
  return { ...gate, name, command };
}

const gateKeys: Readonly<Record<string, (place: Place) => Partial<GateInput>>> = {
  name: (place) => ({ name: place.text('a name') }),
  run: (place) => ({ command: place.text('a command') }),
  kind: (place) => ({ kind: word(place, gateKinds) }),
  required: (place) => ({ required: truth(place) }),
  timeout: (place) => ({ timeoutMs: durationOf(place) }),
};

function contextOf(place: Place): { readonly text: string } | { readonly file: string } {
  const members = place.members('{ file: … } or { text: … }');
  const [member, ...others] = members;
  if (!member || others.length > 0) throw place.wrong('expected { file: … } or { text: … }');
  const [kind, value] = member;
  if (kind === 'file') return { file: value.text('a path in the workspace') };
  if (kind === 'text') return { text: value.text('a text') };
  throw unknownKey(kind, value, ['file', 'text']);
}

function withHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? homedir() + path.slice(1) : path;
}
