import { isStep, stepNames } from './steps.ts';
import type { FakeStep } from './steps.ts';

/**
 * What the fake agent does, as its script file holds it (JSON): one list of steps for every start; or one list a start (`runs`),
 * where a start beyond the last is an error; or one for new sessions and one for resumed ones; or a script of its own for each
 * kind of prompt, so that many tasks can share a file.
 */
export type FakeScript =
  | readonly FakeStep[]
  | { readonly runs: readonly (readonly FakeStep[])[] }
  | { readonly start: readonly FakeStep[]; readonly resume: readonly FakeStep[] }
  /** The first whose regular expression is found in the prompt. */
  | { readonly prompts: readonly { readonly match: string; readonly script: FakeScript }[] };

export interface Start {
  readonly prompt: string;
  readonly resumed: boolean;
  /** Counts this start under a name; gives its number, from 1 on. Two starts at once never get the same one. */
  count(name: string): number;
}

/** The steps of this start. Throws, in words for the test's author, if the script has none for it. */
export function chooseSteps(script: FakeScript, start: Start, name: string = 'start'): readonly FakeStep[] {
  if ('start' in script) return start.resumed ? script.resume : script.start;
  if ('runs' in script) {
    const number = start.count(name);
    const steps = script.runs[number - 1];
    if (!steps) throw new Error(`the script has ${script.runs.length} runs, but this is start ${number}`);
    return steps;
  }
  if ('prompts' in script) {
    const index = script.prompts.findIndex(({ match }) => new RegExp(match).test(start.prompt));
    const found = script.prompts[index];
    if (!found)
      throw new Error(`no "match" of the script is found in the prompt, which begins ${JSON.stringify(start.prompt.slice(0, 80))}`);
    return chooseSteps(found.script, start, `${name}-${index + 1}`);
  }
  return script;
}

/** Reads a script file. Throws on what is no script, naming the step. */
export function readScript(text: string): FakeScript {
  const script: unknown = JSON.parse(text);
  if (!isScript(script))
    throw new Error('the script is neither a list of steps nor { runs }, { start, resume } or { prompts: [{ match, script }] }');
  return script;
}

function isScript(value: unknown): value is FakeScript {
  if (isSteps(value)) return true;
  if (typeof value !== 'object' || value === null) return false;
  if ('runs' in value) return Array.isArray(value.runs) && value.runs.every(isSteps);
  if ('start' in value && 'resume' in value) return isSteps(value.start) && isSteps(value.resume);
  return 'prompts' in value && Array.isArray(value.prompts) && value.prompts.every(isCase);
}

function isCase(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    'match' in value &&
    typeof value.match === 'string' &&
    'script' in value &&
    isScript(value.script)
  );
}

/** Throws on a step that is not in the table: an agent that skipped it would make a test pass for nothing. */
function isSteps(value: unknown): value is readonly FakeStep[] {
  if (!Array.isArray(value)) return false;
  for (const step of value) {
    if (!isStep(step)) throw new Error(`no such step: ${JSON.stringify(step)}; a step has one of these keys: ${stepNames.join(', ')}`);
  }
  return true;
}
