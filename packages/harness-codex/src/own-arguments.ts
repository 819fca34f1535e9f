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
  'permissions',
  'default_permissions',
  'projects',
]);

/** The table as a whole, and what an option says of it. */
const ownSandbox = /^sandbox_workspace_write(\.network_access)?$/;

/** What `base_url` and `api_key` make of the provider. How often and how long it is asked may be set beside them. */
const ownProvider = /^model_provider$|^model_providers(\.singletree(\.(name|base_url|wire_api|env_key))?)?$/;
const providerFlags: ReadonlySet<string> = new Set(['--oss', '--local-provider']);

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
    if (ownFlags.has(flag) || (hasBaseUrl && providerFlags.has(flag))) refuse(flag, 'is set by Singletree itself; leave it out');
    if (!takesSetting.has(flag)) return;
    const name = settingIn(flag, arg === flag ? args[at + 1] : arg.slice(flag.length).replace(/^=/, ''));
    const isOurs = ownSettings.has(name.split('.', 1)[0] ?? '') || ownSandbox.test(name) || (hasBaseUrl && ownProvider.test(name));
    if (isOurs) refuse(`${flag} ${name}`, 'is set by Singletree itself: use its own keys and options');
  });
}

/** The name of a setting, however its parts are quoted and spaced. */
function settingIn(flag: string, setting = ''): string {
  const [written = ''] = setting.split('=', 1);
  const name = written
    .split('.')
    .map((part) =>
      part
        .trim()
        .replaceAll(/^["']|["']$/g, '')
        .trim(),
    )
    .join('.');
  if (!setting.includes('=') || !/^[A-Za-z0-9_-]+(\.|$)/.test(name))
    refuse(`${flag} ${setting}`.trim(), 'is no setting: write NAME=VALUE behind it');
  return name;
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
