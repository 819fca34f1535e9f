import {
  RefusedAttempt,
  type AttemptContext,
  type Command,
  type Harness,
  type HarnessSettings,
  type PermissionMode,
  type TelemetryTarget,
} from '../contract.ts';
import type { ConformanceCase, Subject } from './case.ts';
import type { Fixture } from './fixtures.ts';
import { check, play, same } from './play.ts';

const modes: readonly PermissionMode[] = ['all', 'edits', 'read'];
const sessionId = '01234567-89ab-4cde-8f01-23456789abcd';
const executable = '/opt/cli/bin/cli';
const secret = 'singletree-secret-5d1c0a';
const prompt = '# Singletree prompt 7f3a\r\n\n-x $(id) "quoted" \\ \u001b[1m é€😀 \ufeff\n';

export function commandCases({ harness, fixtures }: Subject): ConformanceCase[] {
  const { capabilities } = harness;
  const ways = waysToAsk(harness);
  return [
    ...ways.map(([how, attempt]): ConformanceCase => ({
      rule: 'secrets',
      name: `${how}: the key meets neither argv nor environment nor standard input, and has a variable to travel in`,
      run: () => {
        const command = withSecret(harness, attempt);
        check(command.apiKeyVariable !== undefined, 'a key is configured, but apiKeyVariable does not say where the CLI expects it');
        check(!JSON.stringify(command).includes(secret), 'the command holds the key');
        check(!(command.apiKeyVariable in command.env), `env sets ${command.apiKeyVariable}, which only the daemon hands over`);
      },
    })),
    {
      rule: 'secrets',
      name: 'no variable of the user that it asks for is named like a key',
      run: () => {
        const key = harness.environment?.find(
          (name) => /KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL/i.test(name) && !/_(FILE|DIR|PATH|HOME)$/.test(name),
        );
        check(key === undefined, `environment asks for ${key}: keys are configured, and handed over apart`);
      },
    },
    ...ways.map(([how, attempt]): ConformanceCase => ({
      rule: 'prompt',
      name: `${how}: the prompt reaches the CLI whole by standard input, and no other way`,
      run: () => {
        const { args, env, stdin } = build(harness, attempt);
        check(!JSON.stringify([args, env]).includes('Singletree prompt 7f3a'), 'argv or environment hold the prompt');
        check(
          stdin.includes(prompt) || stdin.includes(JSON.stringify(prompt).slice(1, -1)),
          'standard input does not hold the whole prompt',
        );
      },
    })),
    {
      rule: 'trust',
      name: 'a workspace of which nobody has said anything is not trusted',
      run: () => {
        for (const permissions of capabilities.permissionModes) {
          same(
            build(harness, { permissions }),
            build(harness, { permissions, trusted: false }),
            `"${permissions}" where nothing is said of trust`,
          );
        }
      },
    },
    {
      rule: 'metered',
      name: 'a limit on what is used changes no more than how the CLI tells it, in every mode',
      run: () => {
        for (const permissions of capabilities.permissionModes) {
          const metered = build(harness, { permissions, metered: true });
          same(
            build(harness, { permissions }),
            build(harness, { permissions, metered: false }),
            `"${permissions}" where nothing is said of limits`,
          );
          for (const other of capabilities.permissionModes.filter((mode) => mode !== permissions))
            check(
              visible(build(harness, { permissions: other, metered: true })) !== visible(metered),
              `"${permissions}" and "${other}" are the same`,
            );
        }
      },
    },
    {
      rule: 'metered',
      name: 'where usage is declared for each call, a recording tells a whole one before any total or ending',
      run: () => {
        if (capabilities.usage === 'none' || capabilities.usage.scope !== 'model_call') return;
        check(
          fixtures.some((fixture) => tellsEarly(harness, fixture)),
          'no recording has a call with its output, not provisional, before the total or ending that counts it: a limit would be met too late',
        );
      },
    },
    {
      rule: 'telemetry',
      name: 'its own traces go where they are told to, marked as they are told to, and nowhere unless they are',
      run: () => {
        const { telemetry: own } = capabilities;
        check(!visible(build(harness, {})).includes('OTEL_EXPORTER'), 'the command line switches on what nobody has asked for');
        if (!own) return;
        check(own.transports.length > 0, 'telemetry is declared, and no transport');
        for (const transport of own.transports) {
          const telemetry = telemetryBy(transport);
          const command = build(harness, { telemetry });
          check(visible(command).includes('127.0.0.1:4799'), `the command line does not say where they go by ${transport}`);
          check(visible(command).includes('task-7f3a'), 'the command line does not have the attributes of the resource');
          check(!(own.headersVariable in command.env), `env sets ${own.headersVariable}, which only the daemon hands over`);
        }
      },
    },
    {
      rule: 'executables',
      name: 'the programs that stand behind an executable are absolute paths, and the same when asked again',
      run: () => {
        for (const path of [executable, '/opt/é €/bin/cli', '/', '/x'.repeat(2000)]) {
          const programs = harness.nativeExecutables?.(path) ?? [];
          const relative = programs.find((program) => !program.startsWith('/') || program.includes('\0'));
          check(relative === undefined, `"${relative}" is no absolute path`);
          check(programs.length <= 32, `there are ${programs.length} of them`);
          same(harness.nativeExecutables?.(path) ?? [], programs, `programs behind ${path} when asked again`);
        }
      },
    },
    {
      rule: 'one output',
      name: 'where both outputs go into one log, nothing is read twice',
      run: () => {
        if (!build(harness, {}).oneOutput) return;
        for (const { name, stdout } of fixtures) {
          const decoder = harness.decoder('stderr', undefined);
          const events = [...decoder.push(stdout.subarray(0, 256 * 1024)), ...decoder.end()];
          same(events, [], `${name}: events of standard error, which has no log of its own`);
        }
      },
    },
    ...modes.map((mode): ConformanceCase => ({
      rule: 'permission modes',
      name: capabilities.permissionModes.includes(mode) ? `"${mode}" has a command line of its own` : `"${mode}" is refused`,
      run: () => {
        if (!capabilities.permissionModes.includes(mode)) {
          check(
            refuses(() => build(harness, { permissions: mode })),
            `"${mode}" is not declared, yet command() gives a command line for it`,
          );
          return;
        }
        const own = visible(build(harness, { permissions: mode }));
        for (const other of capabilities.permissionModes.filter((each) => each !== mode)) {
          check(visible(build(harness, { permissions: other })) !== own, `"${mode}" and "${other}" give the same command line`);
        }
      },
    })),
    {
      rule: 'settings',
      name: 'the model that is asked for reaches the CLI, before the configured one',
      run: () => {
        const asked = visible(build(harness, { model: 'asked/model' }, { model: 'configured/model' }));
        check(
          asked.includes('asked/model') && !asked.includes('configured/model'),
          'the command line does not ask for the model of the attempt',
        );
        const { model: _, ...none } = attemptOf(harness);
        check(
          visible(harness.command(none, settingsOf(harness, { model: 'configured/model' }))).includes('configured/model'),
          'the command line does not ask for the configured model where the attempt names none',
        );
      },
    },
    {
      rule: 'settings',
      name: 'configured arguments reach the CLI, and its executable is the one that was found',
      run: () => {
        const { file, args } = build(harness, {}, { args: ['--singletree-a', 'b c'] });
        check(args.includes('--singletree-a') && args.includes('b c'), 'the command line lacks the configured arguments');
        check([file, ...args].includes(executable), `neither file nor arguments are the executable ${executable}`);
      },
    },
    {
      rule: 'settings',
      name: 'a base URL reaches the CLI, or is refused',
      run: () => {
        const command = (): Command => build(harness, {}, { baseUrl: 'http://127.0.0.1:4711/gateway' });
        check(
          refuses(command) || visible(command()).includes('http://127.0.0.1:4711/gateway'),
          'the configured base URL is passed over in silence: calls, and keys, go elsewhere',
        );
      },
    },
    {
      rule: 'capabilities',
      name: 'choosesSessionId: the id of a new session is told to the CLI if and only if it is declared',
      run: () => same(visible(build(harness, {})).includes(sessionId), capabilities.choosesSessionId, 'the id is in the command line'),
    },
    {
      rule: 'resume',
      name: capabilities.resume ? 'a resumed session is named to the CLI' : 'a resume is refused',
      run: () => {
        const resume = (): Command => build(harness, { session: { kind: 'resume', id: sessionId } });
        if (!capabilities.resume) check(refuses(resume), 'resume is not declared, yet command() gives a command line for it');
        else
          check(
            visible(resume()).includes(sessionId) && visible(resume()) !== visible(build(harness, {})),
            'the command line does not go on in the session',
          );
      },
    },
  ];
}

function telemetryBy(transport: TelemetryTarget['transport']): TelemetryTarget {
  const endpoint = transport === 'grpc' ? 'http://127.0.0.1:4799' : 'http://127.0.0.1:4799/v1/traces';
  return { transport, endpoint, timeoutMs: 10_000, resource: { 'singletree.task.id': 'task-7f3a' } };
}

/** Each of them is a command line of its own. */
function waysToAsk({ capabilities }: Harness): readonly (readonly [string, Partial<AttemptContext>])[] {
  const resumed: Partial<AttemptContext> = capabilities.resume ? { session: { kind: 'resume', id: sessionId } } : {};
  const transport = capabilities.telemetry?.transports[0];
  const sending: Partial<AttemptContext> = transport === undefined ? {} : { telemetry: telemetryBy(transport) };
  return [
    ['as usual', {}],
    ['metered', { metered: true }],
    ['in a trusted workspace', { trusted: true }],
    ['as root', { root: true }],
    ['resumed', resumed],
    ['with its own traces', sending],
    ['all of that at once', { metered: true, trusted: true, root: true, ...resumed, ...sending }],
  ];
}

function tellsEarly(harness: Harness, fixture: Fixture): boolean {
  const events = play(harness, fixture);
  const counted = events.findIndex(({ kind }) => kind === 'usage.total' || kind === 'ended');
  return events
    .slice(0, counted < 0 ? events.length : counted)
    .some((event) => event.kind === 'model.call' && !event.provisional && event.usage.outputTokens !== undefined);
}

function build(harness: Harness, attempt: Partial<AttemptContext>, settings: Partial<HarnessSettings<unknown>> = {}): Command {
  return harness.command({ ...attemptOf(harness), ...attempt }, settingsOf(harness, settings));
}

function settingsOf(harness: Harness, settings: Partial<HarnessSettings<unknown>>): HarnessSettings<unknown> {
  return {
    executable,
    hasApiKey: true,
    args: [],
    options: harness.options.parse({}),
    ...settings,
  };
}

function attemptOf(harness: Harness): AttemptContext {
  const mode = harness.capabilities.permissionModes[0];
  check(mode !== undefined, 'no permission mode is declared');
  return {
    prompt,
    workspace: '/repository',
    model: 'provider/model',
    session: { kind: 'new', id: sessionId },
    permissions: mode,
    root: false,
  };
}

/** Built while the daemon's own environment holds the key, under every name that the plugin may know. */
function withSecret(harness: Harness, attempt: Partial<AttemptContext>): Command {
  const names = [build(harness, attempt).apiKeyVariable ?? 'API_KEY', ...(harness.environment ?? [])];
  const before = names.map((name) => [name, process.env[name]] as const);
  for (const name of names) process.env[name] = secret;
  try {
    return build(harness, attempt);
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

function visible({ args, env }: Command): string {
  return JSON.stringify([args, env]);
}

function refuses(attempt: () => unknown): boolean {
  try {
    attempt();
    return false;
  } catch (error) {
    if (error instanceof RefusedAttempt) return true;
    throw error;
  }
}
