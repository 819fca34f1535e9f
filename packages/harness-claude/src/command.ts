import { RefusedAttempt, type AttemptContext, type Command, type HarnessSettings, type PermissionMode } from '@singletree/harness';
import { z } from 'zod';

export const options: z.ZodType<ClaudeOptions> = z.strictObject({
  allow_root: z.boolean().default(true),
});

export interface ClaudeOptions {
  /** As root the CLI refuses the permission mode `all` unless it is told that it runs in a sandbox. True: the plugin tells it so. */
  readonly allow_root: boolean;
}

/** Flags that decide how the CLI is driven and read. Another value for one of them would break the attempt or its account. */
const ownFlags = [
  '-p',
  '--print',
  '--output-format',
  '--input-format',
  '--verbose',
  '--session-id',
  '--resume',
  '-r',
  '--continue',
  '-c',
  '--fork-session',
  '--no-session-persistence',
  '--model',
  '--permission-mode',
  '--dangerously-skip-permissions',
  '--bg',
  '--background',
];

/** Print mode with the prompt on standard input: it arrives byte for byte, only a first `/` would make it a command of the CLI. */
export function command(attempt: AttemptContext, settings: HarnessSettings<ClaudeOptions>): Command {
  refuseOwnFlags(settings.args);
  const model = attempt.model ?? settings.model;
  const unsandboxedRoot = attempt.root && attempt.permissions === 'all';
  if (unsandboxedRoot && !settings.options.allow_root) {
    throw new RefusedAttempt(
      'Claude Code refuses permissions "all" as root, and options.allow_root is false: run as another user, or choose "edits" or "read"',
    );
  }
  return {
    file: settings.executable,
    args: [
      '-p',
      '--output-format',
      'stream-json',
      '--verbose',
      ...permissionFlags[attempt.permissions],
      ...(model === undefined ? [] : ['--model', model]),
      ...(attempt.session.kind === 'new' ? ['--session-id', attempt.session.id] : ['--resume', attempt.session.id]),
      ...settings.args,
    ],
    env: {
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
      ...(settings.baseUrl === undefined ? {} : { ANTHROPIC_BASE_URL: settings.baseUrl }),
      ...(unsandboxedRoot ? { IS_SANDBOX: '1' } : {}),
    },
    apiKeyVariable: 'ANTHROPIC_API_KEY',
    stdin: attempt.prompt,
  };
}

/** `edits`: files in the workspace may change, other commands are denied. `read`: no tool that could change anything exists in the
 *  session, sub-agents and MCP servers included; plan mode would still offer them and tell the model to write a plan. */
const permissionFlags: Readonly<Record<PermissionMode, readonly string[]>> = {
  all: ['--dangerously-skip-permissions'],
  edits: ['--permission-mode', 'acceptEdits'],
  read: ['--permission-mode', 'dontAsk', '--tools', 'Read,Glob,Grep', '--strict-mcp-config'],
};

function refuseOwnFlags(args: readonly string[]): void {
  const taken = args.find((arg) => ownFlags.includes(arg.split('=', 1)[0] ?? ''));
  if (taken !== undefined) throw new RefusedAttempt(`args: ${taken} is set by Singletree itself; leave it out`);
}
