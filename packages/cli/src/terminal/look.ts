/** Where text goes: the process's own streams, or a test's. */
export interface Output {
  write(data: string | Uint8Array): unknown;
  readonly isTTY: boolean;
  /** Columns of the terminal; absent if it is none or does not say, 0 if nobody told it its size. */
  readonly columns?: number | undefined;
  /** Lines of the terminal. */
  readonly rows?: number | undefined;
}

/** What may be shown on an output. */
export interface Look {
  readonly color: boolean;
  /** Whether marks such as ✓ can be shown; else their ASCII stand-ins. */
  readonly unicode: boolean;
  /** Whether lines may be painted again while something runs. */
  readonly live: boolean;
  /** Columns to fill. Without a terminal, nothing is cut. */
  readonly width: number;
}

export type ColorChoice = 'auto' | 'always' | 'never';

/** Variables by which a coding agent tells what it starts that an agent reads the output. */
const agentVariables = [
  'AI_AGENT',
  'AGENT',
  'CLAUDECODE',
  'CODEX_THREAD_ID',
  'CODEX_SANDBOX',
  'CURSOR_AGENT',
  'GEMINI_CLI',
  'OPENCODE',
  'OPENCODE_CLIENT',
  'COPILOT_CLI',
];

/** Whether a coding agent has typed the command and reads its output. */
export function agentReads(env: NodeJS.ProcessEnv): boolean {
  return agentVariables.some((name) => isSet(env[name]));
}

/** What an output can show, by the flag, the variables that people know, and what it is connected to. */
export function lookOf({ isTTY, columns }: Output, env: NodeJS.ProcessEnv, choice: ColorChoice = 'auto'): Look {
  const person = isTTY && !agentReads(env);
  const dumb = env['TERM'] === 'dumb';
  return {
    color: choice === 'auto' ? wantsColor(env, person && !dumb) : choice === 'always',
    unicode: !dumb && speaksUtf8(env),
    live: person && !dumb && !isSet(env['CI']),
    width: person ? Math.max(columns || 80, 20) : Number.POSITIVE_INFINITY,
  };
}

/** FORCE_COLOR is the more particular wish, so it beats NO_COLOR, as in Node itself. */
function wantsColor(env: NodeJS.ProcessEnv, byItself: boolean): boolean {
  const forced = env['FORCE_COLOR'];
  if (forced !== undefined) return forced !== '0' && forced !== 'false';
  return byItself && !env['NO_COLOR'];
}

/** A locale that names another encoding has none of our marks. Without any locale, terminals of today speak UTF-8 all the same. */
function speaksUtf8(env: NodeJS.ProcessEnv): boolean {
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'];
  return !locale || /utf-?8/i.test(locale);
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== '0' && value !== 'false';
}
