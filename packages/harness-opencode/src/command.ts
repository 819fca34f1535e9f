import { RefusedAttempt, type AttemptContext, type Command, type HarnessSettings, type PermissionMode } from '@singletree/harness';

const apiKeyVariable = 'OPENCODE_PROVIDER_API_KEY';

const ownFlags = ['--format', '-m', '--model', '-s', '--session', '-c', '--continue', '--fork', '--title', '--auto'];

/** `run` reads the prompt from standard input, byte for byte but for a byte order mark at its very beginning. A fixed title saves
 *  the call by which the CLI would think of one, whose tokens it counts nowhere. */
export function command(attempt: AttemptContext, settings: HarnessSettings<unknown>): Command {
  const taken = settings.args.find((arg) => ownFlags.includes(arg.split('=', 1)[0] ?? ''));
  if (taken !== undefined) throw new RefusedAttempt(`args: ${taken} is set by Singletree itself; leave it out`);
  const model = attempt.model ?? settings.model;
  return {
    file: settings.executable,
    args: [
      'run',
      '--format',
      'json',
      ...(model === undefined ? [] : ['--model', model]),
      ...(attempt.session.kind === 'resume' ? ['--session', attempt.session.id] : ['--title', 'singletree']),
      ...settings.args,
    ],
    env: {
      OPENCODE_DISABLE_AUTOUPDATE: '1',
      OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
      OPENCODE_CONFIG_CONTENT: JSON.stringify({
        autoupdate: false,
        share: 'disabled',
        permission: permissions[attempt.permissions],
        ...providerOf(model, settings),
      }),
    },
    apiKeyVariable,
    stdin: attempt.prompt,
  };
}

const deny = {
  '*': 'deny',
  bash: 'deny',
  task: 'deny',
  skill: 'deny',
  webfetch: 'deny',
  websearch: 'deny',
  codesearch: 'deny',
  external_directory: 'deny',
};
const look = { read: 'allow', glob: 'allow', grep: 'allow', list: 'allow' };

/** Each tool by name, so that a rule of the user's own configuration, into which this is merged, is replaced and not added to.
 *  Nothing may ask: a question that nobody answers ends the run as if all were well. */
const permissions: Readonly<Record<PermissionMode, unknown>> = {
  all: 'allow',
  edits: { ...deny, ...look, edit: 'allow', todowrite: 'allow' },
  read: { ...deny, edit: 'deny', todowrite: 'deny', ...look },
};

/** Address and key belong to the provider, which is the first half of the model's name. */
function providerOf(model: string | undefined, settings: HarnessSettings<unknown>): object {
  const { baseUrl, hasApiKey } = settings;
  if (baseUrl === undefined && !hasApiKey) return {};
  const slash = model?.indexOf('/') ?? -1;
  if (model === undefined || slash < 1 || slash === model.length - 1) {
    const told = model === undefined ? 'no model' : `"${model}"`;
    throw new RefusedAttempt(`base_url and api_key belong to a provider: they need a model of the form "provider/model"; got ${told}`);
  }
  const [provider, name] = [model.slice(0, slash), model.slice(slash + 1)];
  const options = { ...(baseUrl === undefined ? {} : { baseURL: baseUrl }), ...(hasApiKey ? { apiKey: `{env:${apiKeyVariable}}` } : {}) };
  const gateway = baseUrl === undefined ? {} : { npm: '@ai-sdk/openai-compatible', models: { [name]: {} } };
  return { provider: { [provider]: { ...gateway, options } } };
}
