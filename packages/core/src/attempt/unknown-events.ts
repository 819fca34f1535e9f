import type { HarnessEventBody } from '@singletree/harness';

/** Lines of the output that the decoder does not know. */
export class UnknownEvents {
  /** What the first of them was, in a few words. */
  first: string | undefined;

  add(event: HarnessEventBody): void {
    if (event.kind === 'raw') this.first ??= describe(event.line);
  }
}

/** Its type alone: what else stands in it may be the agent's own words. */
function describe(line: string): string {
  const [, type] = /^\s*\{.*?"type"\s*:\s*"([\w.:/-]{1,60})"/s.exec(line) ?? [];
  if (type !== undefined) return `a line of type "${type}"`;
  return /^\s*\{/.test(line) ? 'a JSON object without a type' : 'a line that is no JSON object';
}
