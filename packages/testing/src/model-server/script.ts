import { checkUsage } from './usage.ts';
import type { ModelRequest } from './request.ts';
import type { Usage } from './usage.ts';

/** A tool that the model calls. An object is sent as JSON arguments; a string as the free text of a custom tool (Responses only). */
export interface ToolCall {
  readonly name: string;
  readonly input: Readonly<Record<string, unknown>> | string;
  /** The tool's namespace, which the Responses protocol knows. */
  readonly namespace?: string;
}

/** A regular expression over the raw request body (a string is one too), or a predicate. */
export type Match = RegExp | string | ((request: ModelRequest) => boolean);

/** What the model answers, and what goes wrong on the way. */
export interface Reply {
  readonly thinking?: string;
  readonly text?: string;
  /** How often `text` is said in a row, for huge answers. Default 1. */
  readonly repeat?: number;
  readonly tools?: readonly ToolCall[];
  /** Default: one input token, one output token. */
  readonly usage?: Usage;
  /** Instead of the protocol's own word for "finished" or "wants tools". */
  readonly stopReason?: string;
  /** An HTTP error instead of an answer: 401, 429, 500, 529 … */
  readonly status?: number;
  /** Body of that error, instead of the protocol's own. */
  readonly errorBody?: unknown;
  /** Added to the answer's headers, for example `retry-after`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** An error event in the middle of the stream, after the text; to a request that does not stream, an error 529. */
  readonly sseError?: { readonly type?: string; readonly code?: string; readonly message: string };
  /** Never goes on: no header at all, or silence after the text. */
  readonly hang?: 'before' | 'mid';
  /** The connection is reset before the first byte or after the text, or ends cleanly after the text without its closing events. */
  readonly cut?: 'before' | 'mid' | 'eof';
  readonly delayMs?: number;
  /** Waits before the first byte until the test calls `release` with this name. */
  readonly hold?: string;
}

/**
 * One answer of a script. A request takes the first step that fits it and is not used up, so later steps may be taken before
 * earlier ones that do not fit.
 */
export interface Step extends Reply {
  readonly match?: Match;
  readonly notMatch?: Match;
  /** Default 1. */
  readonly times?: number | 'always';
  /** Requests that carry tools (`main`, the default), those that carry none (`side`: titles, summaries), or both. */
  readonly requests?: 'main' | 'side' | 'any';
}

const replyKeys: readonly (keyof Reply)[] = [
  'thinking',
  'text',
  'repeat',
  'tools',
  'usage',
  'stopReason',
  'status',
  'errorBody',
  'headers',
  'sseError',
  'hang',
  'cut',
  'delayMs',
  'hold',
];
const stepKeys: readonly string[] = [...replyKeys, 'match', 'notMatch', 'times', 'requests'];

/** A script in use: it remembers which steps are used up. */
export interface Script {
  /** Takes the step for this request: its number, counted from 1, and its reply. Undefined if none fits. */
  take(request: ModelRequest): { readonly number: number; readonly reply: Reply } | undefined;
  /** The gates that steps wait at. */
  readonly holds: ReadonlySet<string>;
}

/** Checks a script and copies it, so that nobody can change what is served afterwards. Throws with the number of the bad step. */
export function openScript(steps: readonly Step[]): Script {
  const entries = steps.map((step, index) => {
    const number = index + 1;
    check(step, `step ${number}`);
    const { match, notMatch, times = 1, requests = 'main', ...reply } = step;
    return { number, reply: structuredClone(reply), fits: fitting(match, notMatch, requests), left: times === 'always' ? Infinity : times };
  });
  return {
    holds: new Set(entries.flatMap(({ reply }) => reply.hold ?? [])),
    take(request) {
      const entry = entries.find(({ left, fits }) => left > 0 && fits(request));
      if (!entry) return undefined;
      entry.left -= 1;
      return { number: entry.number, reply: entry.reply };
    },
  };
}

function fitting(
  match: Match | undefined,
  notMatch: Match | undefined,
  requests: 'main' | 'side' | 'any',
): (request: ModelRequest) => boolean {
  const wanted = match === undefined ? () => true : test(match);
  const unwanted = notMatch === undefined ? () => false : test(notMatch);
  return (request) => (requests === 'any' || (requests === 'side') === request.side) && wanted(request) && !unwanted(request);
}

function test(match: Match): (request: ModelRequest) => boolean {
  if (typeof match === 'function') return match;
  // Without its g and y flags: they would make the expression remember where it matched last.
  const expression = typeof match === 'string' ? new RegExp(match) : new RegExp(match.source, match.flags.replace(/[gy]/g, ''));
  return ({ raw }) => expression.test(raw);
}

function check(step: Step, where: string): void {
  for (const key of Object.keys(step)) {
    if (!stepKeys.includes(key)) throw new TypeError(`${where} has an unknown field "${key}"; known: ${stepKeys.join(', ')}`);
  }
  if (step.usage) checkUsage(step.usage, where);
  const { times } = step;
  if (times !== undefined && times !== 'always' && !(Number.isInteger(times) && times > 0)) {
    throw new TypeError(`${where}: times is ${times}; it must be a whole number from 1 on, or "always"`);
  }
}

/** Checks a reply that is not a step of a script, such as the one to side requests. */
export function checkReply(reply: Reply, where: string): Reply {
  for (const key of Object.keys(reply)) {
    if (!replyKeys.some((known) => known === key))
      throw new TypeError(`${where} has an unknown field "${key}"; known: ${replyKeys.join(', ')}`);
  }
  if (reply.usage) checkUsage(reply.usage, where);
  return structuredClone(reply);
}
