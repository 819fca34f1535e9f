import { RefusedAttempt } from '@singletree/harness';

const driven = 'is set by Singletree itself; leave it out';
const option = (name: string): string => `has an option of its own: use options.${name}`;
const permissions = 'would change what the agent may do: use "permissions", options.allowed_tools and options.disallowed_tools';
const settings = "brings settings that can change what the agent may do, or run commands: put them into the CLI's own settings file";
const elsewhere = 'would start something other than this attempt, or start it elsewhere';
const sources = 'decides whose configuration the CLI reads: trust the workspace instead';

/** Flags that would break the attempt, its account or its permissions, hidden ones included, and why. */
const refused: Readonly<Record<string, string>> = {
  ...all(driven, '-p --print --output-format --input-format --verbose --include-partial-messages --replay-user-messages'),
  ...all(driven, '--session-id -r --resume -c --continue --fork-session --no-session-persistence --resume-session-at'),
  ...all(driven, '--resume-drops-turn --rewind-files --reply-on-resume --from-pr --teleport --prefill --prefill-b64 --prompt-suggestions'),
  ...all(driven, '-h --help -v --version -- - --restricted --bare --safe-mode'),
  ...all('has a key of its own: use "model"', '--model'),
  ...all(option('effort'), '--effort'),
  ...all(option('append_system_prompt'), '--append-system-prompt --append-system-prompt-file'),
  ...all(option('mcp_servers'), '--mcp-config --strict-mcp-config'),
  ...all(option('json_schema'), '--json-schema'),
  ...all(option('auto_compact_tokens'), '--autocompact'),
  ...all(option('allowed_tools'), '--allowedTools --allowed-tools'),
  ...all(option('disallowed_tools'), '--disallowedTools --disallowed-tools'),
  ...all(permissions, '--permission-mode --inherit-permission-mode --dangerously-skip-permissions --allow-dangerously-skip-permissions'),
  ...all(permissions, '--permission-prompts --permission-prompt-tool --enable-auto-mode --tools --trust-workspace --trusted-folder'),
  ...all(settings, '--settings --managed-settings --managed-settings-in-initialize --plugin-dir --plugin-dir-no-mcp --plugin-url'),
  ...all(sources, '--setting-sources --project-config-root --ignore-persisted-trust'),
  ...all(elsewhere, '--bg --background --bg-spare --cloud --remote --remote-control --rc --desktop --environment --sdk-url --ide --chrome'),
  ...all(elsewhere, '-w --worktree --tmux --cwd --init --init-only --maintenance --interactive -i --channels'),
  ...all(elsewhere, '--dangerously-load-development-channels --session-mirror --watch-artifact --await-claim --await-initialize'),
};

function all(why: string, flags: string): Readonly<Record<string, string>> {
  return Object.fromEntries(flags.split(' ').map((flag) => [flag, why]));
}

/** Flags that take no value: a word behind one would be a prompt, or a command of the CLI. */
const bare: ReadonlySet<string> = new Set(
  '--brief --no-chrome --disable-slash-commands --exclude-dynamic-system-prompt-sections --forward-subagent-text --include-hook-events --ax-screen-reader --fast-mode'.split(
    ' ',
  ),
);
/** Flags that take any number of words. */
const greedy: ReadonlySet<string> = new Set(['--add-dir', '--betas', '--file']);

/** Refuses arguments of the user's that would change what is ours, and words that the CLI would take for a prompt or a command. */
export function refuseOwnArguments(args: readonly string[]): void {
  /** What the next word belongs to. */
  let taker: string | undefined;
  for (const arg of args) {
    const flag = flagOf(arg);
    if (flag === undefined) {
      if (taker === undefined) refuse(`"${arg}"`, 'is no flag, and follows none that could take it: the CLI would take it for a prompt');
      if (!greedy.has(taker)) taker = undefined;
      continue;
    }
    const why = refused[flag];
    if (why !== undefined) refuse(flag, why);
    taker = flag === arg && !bare.has(flag) ? flag : undefined;
  }
}

/** `-nX` is `-n`, `--flag=X` is `--flag`: so the CLI reads them. Undefined for what is no flag. */
function flagOf(arg: string): string | undefined {
  if (arg === '-' || arg === '--') return arg;
  if (arg.startsWith('--')) return arg.split('=', 1)[0];
  return arg.startsWith('-') ? arg.slice(0, 2) : undefined;
}

function refuse(what: string, why: string): never {
  throw new RefusedAttempt(`args: ${what} ${why}`);
}
