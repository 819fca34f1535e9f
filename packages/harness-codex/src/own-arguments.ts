import { RefusedAttempt } from '@singletree/harness';

/** Flags that decide how the CLI is driven and read, or where it works. Another value for one of them would break the attempt or its account. */
const ownFlags: ReadonlySet<string> = new Set([
  '--json',
  '-m',
  '--model',
  '-s',
  '--sandbox',
  '--approve-for-me',
  '--full-auto',
  '--yolo',
  '--dangerously-bypass-approvals-and-sandbox',
  '--ephemeral',
  '-C',
  '--cd',
  '--worktree',
  '--trust',
  '--skip-git-repo-check',
  '-h',
  '--help',
  '-V',
  '--version',
  '-',
  '--',
]);

/** Settings, by the first part of their name, for which there is a flag, an option or a key of ours. */
const ownSettings: ReadonlySet<string> = new Set([
  'model',
  'model_reasoning_effort',
  'model_context_window',
  'model_auto_compact_token_limit',
  'developer_instructions',
  'mcp_servers',
  'sandbox_mode',
  'approval_policy',
  'projects',
]);

/** What `base_url` and `api_key` make of the provider. How often and how long it is asked may be set beside them. */
const ownProvider = /^model_provider$|^model_providers(\.singletree(\.(name|base_url|wire_api|env_key))?)?$/;

const takesSetting: ReadonlySet<string> = new Set(['-c', '--config']);

/** Refuses arguments of the user's that would change what is ours, and words that the CLI would take for a prompt or a command. */
export function refuseOwnArguments(args: readonly string[], hasBaseUrl: boolean): void {
  args.forEach((arg, at) => {
    const flag = flagOf(arg);
    if (flag === undefined) {
      const before = args[at - 1];
      if (before === undefined || flagOf(before) === undefined || before !== flagOf(before))
        refuse(arg, 'is no flag, and follows none that could take it');
      return;
    }
    if (ownFlags.has(flag)) refuse(flag, 'is set by Singletree itself; leave it out');
    if (!takesSetting.has(flag)) return;
    const setting = arg === flag ? (args[at + 1] ?? '') : arg.slice(flag.length).replace(/^=/, '');
    const [written = ''] = setting.split('=', 1);
    const name = written.trim().replaceAll('"', '');
    const isOurs = ownSettings.has(name.split('.', 1)[0] ?? '') || (hasBaseUrl && ownProvider.test(name));
    if (isOurs) refuse(`${flag} ${name}`, 'is set by Singletree itself: use its own keys and options');
  });
}

/** `-cname=value` is `-c`, `--config=name=value` is `--config`. Undefined for what is no flag. */
function flagOf(arg: string): string | undefined {
  if (arg === '-' || arg === '--') return arg;
  if (arg.startsWith('--')) return arg.split('=', 1)[0];
  return arg.startsWith('-') ? arg.slice(0, 2) : undefined;
}

function refuse(what: string, why: string): never {
  throw new RefusedAttempt(`args: ${what} ${why}`);
}
