import { z } from 'zod';
import type { Baseline, Command, Probe, Reconciliation, SessionQuery } from './contract.ts';
import type { EndEvidence, HarnessEvent } from './events.ts';

/** What a plugin may answer. What is not named here is left out: it would be stored and sent without anybody knowing what it is. */

const optional = z.exactOptional;
/** Safe integers: whatever is summed, stored and sent as a count. */
const count = z.int().nonnegative();
const text = z.string();
/** What an operating system takes as an argument. */
const argument = z.string().regex(/^[^\0]*$/, 'holds a NUL');
/** The last instant that the wire can tell: the end of the year 9999. */
const latestMs = 253_402_300_799_999;

const tokens = z.object({
  uncachedInputTokens: optional(count),
  cacheReadInputTokens: optional(count),
  cacheWriteInputTokens: optional(count),
  cacheWrite1hInputTokens: optional(count),
  outputTokens: optional(count),
  reasoningOutputTokens: optional(count),
});
const modelUsage = z.object({ model: optional(text), usage: tokens, costUsdMicros: optional(count) });
const thread = z.union([z.literal('main'), z.object({ subagent: text })]);
const truncated = optional(z.object({ offset: count, length: count }));

const evidence: z.ZodType<EndEvidence> = z.object({
  result: z.enum(['completed', 'failed', 'interrupted']),
  reason: optional(
    z.enum([
      'unauthenticated',
      'rate_limited',
      'quota_exhausted',
      'transient_api_error',
      'context_exhausted',
      'turn_limit',
      'cost_limit',
      'permission_denied',
      'invalid_configuration',
    ]),
  ),
  message: optional(text),
});

const place = { source: z.enum(['stdout', 'stderr']), endsAt: count };

export const eventsShape: z.ZodType<readonly HarnessEvent[]> = z.array(
  z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('session.started'), sessionId: text, model: optional(text), harnessVersion: optional(text), ...place }),
    z.object({
      kind: z.literal('model.call'),
      callId: text,
      thread,
      model: optional(text),
      usage: tokens,
      provisional: optional(z.boolean()),
      goesOn: optional(z.boolean()),
      costUsdMicros: optional(count),
      compaction: optional(z.literal(true)),
      ...place,
    }),
    z.object({ kind: z.literal('usage.total'), byModel: z.array(modelUsage), contextWindowTokens: optional(count), ...place }),
    z.object({ kind: z.literal('usage.incomplete'), reason: text, ...place }),
    z.object({ kind: z.literal('text'), thread, text, truncated, ...place }),
    z.object({
      kind: z.literal('tool.started'),
      thread,
      toolId: text,
      tool: text,
      summary: optional(text),
      inputDigest: optional(text),
      ...place,
    }),
    z.object({
      kind: z.literal('tool.finished'),
      thread,
      toolId: text,
      tool: optional(text),
      failed: z.boolean(),
      summary: optional(text),
      outputDigest: optional(text),
      ...place,
    }),
    z.object({ kind: z.literal('file.changed'), path: text, change: z.enum(['added', 'modified', 'deleted']), ...place }),
    z.object({
      kind: z.literal('compaction'),
      trigger: optional(z.enum(['auto', 'manual'])),
      tokensBefore: optional(count),
      tokensAfter: optional(count),
      ...place,
    }),
    z.object({
      kind: z.literal('model.retried'),
      reason: text,
      status: optional(z.int32()),
      delayMs: optional(z.number().nonnegative().max(latestMs)),
      ...place,
    }),
    z.object({
      kind: z.literal('rate.limited'),
      resetsAtMs: optional(z.number().nonnegative().max(latestMs)),
      message: optional(text),
      ...place,
    }),
    z.object({ kind: z.literal('permission.denied'), tool: text, message: optional(text), ...place }),
    z.object({ kind: z.literal('subagent.started'), subagent: text, name: optional(text), ...place }),
    z.object({ kind: z.literal('subagent.ended'), subagent: text, ...place }),
    z.object({ kind: z.literal('warning'), message: text, ...place }),
    z.object({ kind: z.literal('raw'), line: text, truncated, ...place }),
    z.object({ kind: z.literal('ended'), evidence, pending: optional(count), ...place }),
  ]),
);

export const evidenceShape: z.ZodType<EndEvidence | undefined> = evidence.optional();

export const reconciliationShape: z.ZodType<Reconciliation | undefined> = z
  .object({
    usage: z.array(modelUsage),
    subagentUsage: optional(tokens),
    turns: optional(z.int32().nonnegative()),
    provenance: z.enum(['reported', 'recovered']),
    lowerBound: z.boolean(),
    calls: optional(
      z.array(
        z.object({
          callId: text,
          thread,
          model: optional(text),
          usage: tokens,
          costUsdMicros: optional(count),
          at: optional(z.number().nonnegative().max(latestMs)),
          compaction: optional(z.literal(true)),
        }),
      ),
    ),
    model: optional(text),
    harnessVersion: optional(text),
    compactions: optional(z.int32().nonnegative()),
    context: optional(z.object({ windowTokens: optional(count), finalTokens: optional(count), peakTokens: optional(count) })),
    resetsAtMs: optional(z.number().nonnegative().max(latestMs)),
  })
  .optional();

export const baselineShape: z.ZodType<Baseline | undefined> = z
  .object({ version: z.int(), data: z.record(z.string(), z.json()) })
  .optional();

/** Below HOME, or below the folder of a variable, and nowhere else; `**` would walk through all of it. */
export const sessionFilesShape: z.ZodType<readonly string[]> = z
  .array(
    argument.refine(
      (pattern) => !pattern.startsWith('/') && !pattern.includes('**') && !pattern.split('/').includes('..'),
      'must be relative to HOME or to $NAME, without ".." and "**"',
    ),
  )
  .max(1_000);

export const sessionQueriesShape: z.ZodType<readonly SessionQuery[]> = z
  .array(
    z.object({
      path: argument.refine(
        (path) => !path.startsWith('/') && !path.includes('*') && !path.split('/').includes('..'),
        'must be relative to HOME or to $NAME, without ".." and "*"',
      ),
      sql: argument,
      parameters: z.array(argument),
    }),
  )
  .max(32);

export const contextWindowShape: z.ZodType<number | undefined> = count.positive().optional();

export const executablesShape: z.ZodType<readonly string[]> = z
  .array(argument.refine((path) => path.startsWith('/'), 'must be an absolute path'))
  .max(32);

export const commandShape: z.ZodType<Command> = z.object({
  file: argument.min(1),
  args: z.array(argument),
  env: z.record(z.string().regex(/^[^=\0]+$/, 'is not the name of a variable'), argument),
  apiKeyVariable: optional(z.string().regex(/^[^=\0]+$/, 'is not the name of a variable')),
  stdin: text,
  oneOutput: optional(z.literal(true)),
});

const notReady = { message: text, hint: text };

export const probeShape: z.ZodType<Probe> = z.discriminatedUnion('status', [
  z.object({ status: z.literal('ready'), version: text, warning: optional(text) }),
  z.object({ status: z.literal('missing'), ...notReady }),
  z.object({ status: z.literal('unsupported_version'), version: text, ...notReady }),
  z.object({ status: z.literal('unauthenticated'), version: text, ...notReady }),
]);
