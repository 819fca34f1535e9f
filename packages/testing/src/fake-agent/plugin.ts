import { extname, isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RefusedAttempt, addByModel, addTokens, clip, defineHarness, defined } from '@singletree/harness';
import type { Baseline, Harness, SessionFile } from '@singletree/harness';
import { z } from 'zod';
import { agentVersion, apiKeyVariable } from './agent.ts';
import { callsIn, fakeDecoder } from './decode.ts';
import type { ModelCall } from './decode.ts';

/** The fake agent's executable file: an argument for Node, in the source tree as in the built package. */
export const fakeAgentPath: string = fileURLToPath(new URL(`./fake-agent${extname(import.meta.url)}`, import.meta.url));

export interface FakeHarnessOptions {
  /** The script that the agent follows. */
  readonly script: string;
  /** The Node to run it with, instead of `executable`. */
  readonly node?: string | undefined;
  /** Size of its models' context windows, in tokens; unknown if absent. */
  readonly contextWindow?: number | undefined;
}

const absolute = z.string().refine(isAbsolute, 'must be an absolute path: the agent runs in the workspace');

/** The harness of the fake agent. `cumulative`: of an agent that tells usage as running totals of the whole session. */
function fakeHarness(harnessId: string, cumulative: boolean): Harness<FakeHarnessOptions> {
  return defineHarness<FakeHarnessOptions>({
    specificationVersion: 'harness/v1',
    harnessId,
    displayName: 'Fake Agent',
    defaultExecutable: process.execPath,
    provider: 'fake',
    supportedVersions: agentVersion,
    decoderVersion: 2,
    capabilities: {
      resume: true,
      choosesSessionId: true,
      usage: { scope: 'model_call', counts: cumulative ? 'cumulative' : 'delta' },
      contextWindow: false,
      compaction: true,
      cost: true,
      permissionModes: ['all', 'edits', 'read'],
    },
    options: z.strictObject({ script: absolute, node: absolute.optional(), contextWindow: z.int().positive().optional() }),
    contextWindow: (_model, { options }) => options.contextWindow,
    projectConfiguration: ['.fake-agent.json'],

    async probe(host) {
      const version = await host.version([fakeAgentPath, '--version'], /fake-agent (\S+)/);
      const hint = 'leave `executable` away: the fake agent comes with this plugin and runs on the Node that runs the daemon';
      if ('missing' in version) return { status: 'missing', message: version.missing, hint };
      const { found } = version;
      if (found === agentVersion) return { status: 'ready', version: found };
      return { status: 'unsupported_version', version: found, message: `fake agent ${found} is not ${agentVersion}`, hint };
    },

    command(attempt, { executable, model, baseUrl, args, options }) {
      if (baseUrl !== undefined) throw new RefusedAttempt('the fake agent calls no model: leave base_url away');
      const ours = args.find((arg) => /^--(script|session|resume|model|permissions|cumulative)\b/.test(arg));
      if (ours !== undefined) throw new RefusedAttempt(`args: ${ours} is set by Singletree itself`);
      const session = attempt.session.kind === 'resume' ? '--resume' : '--session';
      const wanted = attempt.model ?? model;
      return {
        file: options.node ?? executable,
        args: [
          fakeAgentPath,
          '--script',
          options.script,
          session,
          attempt.session.id,
          '--permissions',
          attempt.permissions,
          ...(wanted === undefined ? [] : ['--model', wanted]),
          ...(cumulative ? ['--cumulative'] : []),
          ...args,
        ],
        // Halves the start: Node keeps the agent's code without its types.
        env: {
          NODE_COMPILE_CACHE: fileURLToPath(new URL('../../node_modules/.cache/fake-agent', import.meta.url)),
          // It reads no configuration of the workspace's; its scripts can tell whether it might.
          ...(attempt.trusted ? { FAKE_AGENT_TRUSTED: '1' } : {}),
        },
        apiKeyVariable,
        stdin: attempt.prompt,
      };
    },

    decoder: (source, baseline) => fakeDecoder(source, baseline, cumulative),

    sessionFiles: (sessionId) => [`.fake-agent/${sessionId}.jsonl`],

    baseline(_sessionId, [file]): Baseline | undefined {
      if (!file) return undefined;
      const total = addTokens(...callsIn(file.bytes).map(({ usage }) => usage));
      const {
        uncachedInputTokens: input,
        cacheReadInputTokens: cacheRead,
        cacheWriteInputTokens: cacheWrite,
        outputTokens: output,
        reasoningOutputTokens: reasoning,
      } = total;
      return { version: 1, data: { bytes: file.bytes.length, total: defined({ input, cacheRead, cacheWrite, output, reasoning }) } };
    },

    reconcile({ files, baseline, events }) {
      if (files.length === 0) return undefined;
      const calls = callsSince(files, baseline);
      const told = new Set(events.flatMap((event) => (event.kind === 'model.call' ? event.callId : [])));
      // The file is written before the output, so that it can only know more.
      if (calls.every(({ callId }) => told.has(callId)) && events.some(({ kind }) => kind === 'ended')) return undefined;
      return defined({
        usage: addByModel(calls.map(({ model, usage, costUsdMicros }) => defined({ model, usage, costUsdMicros }))),
        turns: calls.filter(({ thread }) => thread === 'main').length,
        provenance: 'recovered' as const,
        lowerBound: calls.some(({ provisional }) => provisional === true),
        calls: calls.map(({ callId, thread, model, usage, costUsdMicros }) => defined({ callId, thread, model, usage, costUsdMicros })),
      });
    },

    exitEvidence({ code, signal, stderrTail }) {
      if (signal === 'SIGINT') return { result: 'interrupted', message: 'ended by SIGINT' };
      if (signal !== null) return { result: 'failed', message: `ended by ${signal}` };
      return code === 0 ? undefined : { result: 'failed', message: clip(stderrTail.trim(), 2048) || `exit ${code}` };
    },
  });
}

function callsSince(files: readonly SessionFile[], baseline: Baseline | undefined): readonly ModelCall[] {
  const from = baseline?.data['bytes'];
  const calls = files.flatMap(({ bytes }) => callsIn(bytes.subarray(typeof from === 'number' ? from : 0)));
  return [...new Map(calls.map((call) => [call.callId, call])).values()];
}

/** Harness `fake`: usage for each model call. */
const fake: Harness<FakeHarnessOptions> = fakeHarness('fake', false);
export default fake;

/** Harness `fake_cumulative`: usage as running totals of the session, resumed ones included. */
export const cumulativeFake: Harness<FakeHarnessOptions> = fakeHarness('fake_cumulative', true);
