import { RefusedAttempt, type AttemptContext, type Command, type HarnessSettings, type PermissionMode } from '@singletree/harness';

const apiKeyVariable = 'CODEX_API_KEY';

const ownFlags = ['--json', '-m', '--model', '-s', '--sandbox', '--dangerously-bypass-approvals-and-sandbox', '--ephemeral', '-'];

/** `exec` with `-` reads the prompt from standard input, byte for byte but for a byte order mark at its very beginning. */
export function command(attempt: AttemptContext, settings: HarnessSettings<unknown>): Command {
  const taken = settings.args.find((arg) => ownFlags.includes(arg.split('=', 1)[0] ?? ''));
  if (taken !== undefined) throw new RefusedAttempt(`args: ${taken} is set by Singletree itself; leave it out`);
  const model = attempt.model ?? settings.model;
  const flags = [
    '--json',
    '--skip-git-repo-check',
    ...permissionFlags[attempt.permissions],
    ...(model === undefined ? [] : ['--model', model]),
    ...(settings.baseUrl === undefined ? [] : providerFlags(settings.baseUrl, settings.hasApiKey)),
    ...settings.args,
  ];
  return {
    file: settings.executable,
    args: ['exec', ...flags, ...(attempt.session.kind === 'resume' ? ['resume', attempt.session.id] : []), '-'],
    env: {},
    apiKeyVariable,
    stdin: attempt.prompt,
  };
}

const permissionFlags: Readonly<Record<PermissionMode, readonly string[]>> = {
  all: ['--dangerously-bypass-approvals-and-sandbox'],
  edits: ['--sandbox', 'workspace-write'],
  read: ['--sandbox', 'read-only'],
};

/** A provider of our own name, so that a `config.toml` of the user's cannot mean another by it. The key's variable is named, never the key. */
function providerFlags(baseUrl: string, hasApiKey: boolean): string[] {
  const key = hasApiKey ? `,env_key=${JSON.stringify(apiKeyVariable)}` : '';
  const provider = `{name="Singletree",base_url=${JSON.stringify(baseUrl)},wire_api="responses"${key}}`;
  return ['-c', 'model_provider="singletree"', '-c', `model_providers.singletree=${provider}`];
}
