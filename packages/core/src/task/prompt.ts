import type { GateResult, TaskSpec } from './task.ts';

/** A context item with its text in hand. */
export interface ContextText {
  /** The file's path, if it is one. */
  readonly name?: string;
  readonly text: string;
}

/**
 * The task as the agent reads it. Always begins with our own heading, so that no harness takes a leading `/` for a command
 * of its own. Every given text stands in it unchanged, byte for byte.
 */
export function renderPrompt(
  spec: Pick<TaskSpec, 'title' | 'instructions' | 'acceptanceCriteria'>,
  context: readonly ContextText[],
): string {
  const parts = [spec.title === undefined ? '# Task' : `# Task: ${spec.title}`, spec.instructions];
  if (spec.acceptanceCriteria.length > 0) {
    parts.push('## Acceptance criteria', spec.acceptanceCriteria.map((criterion) => `- ${criterion}`).join('\n'));
  }
  for (const item of context) parts.push(item.name === undefined ? '## Context' : `## Context: ${item.name}`, item.text);
  return `${parts.join('\n\n')}\n`;
}

/** What a session that already knows the task is told after its work was checked. */
export function renderFindings(
  results: readonly Pick<GateResult, 'name' | 'exitCode' | 'tail' | 'verdict'>[],
  commands: ReadonlyMap<string, string>,
): string {
  const failed = results.filter((result) => result.verdict === 'failed');
  if (failed.length === 0) {
    return '# Not accepted\n\nThe task needs a change of the files in this workspace, and there was none. Make the change that the task asks for.\n';
  }
  const findings = failed.map((gate) => {
    const command = commands.get(gate.name);
    return [
      `## Gate ${gate.name} failed`,
      `${command === undefined ? '' : `Command: ${command}\n`}Exit code: ${gate.exitCode ?? 'unknown'}`,
      gate.tail === undefined || gate.tail === '' ? 'It printed nothing.' : `The end of its output:\n\n${gate.tail}`,
    ].join('\n\n');
  });
  return (
    ['# Not accepted', 'Your work was checked and is not accepted yet. Mend what the checks below found.', ...findings].join('\n\n') + '\n'
  );
}

/** What a session is told whose process was cut off in the middle of the work. `findings`: of which it may not have heard. */
export function renderContinue(findings?: string): string {
  const goOn =
    '# Go on\n\nYour process was interrupted before you had finished. The workspace is as you left it. Go on with the task and finish it.\n';
  return findings === undefined ? goOn : `${goOn}\n${findings}`;
}
