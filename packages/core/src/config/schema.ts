import { z } from 'zod';
import { failureReasons } from '../task/reasons.ts';
import { fixedReasons } from '../task/retry.ts';
import { listen } from './listen.ts';
import { parseDuration, parseSize } from './units.ts';

/** Times that lie further ahead than dates go would have no words on the wire. */
const mostMs = 365 * 86_400_000;

const duration = z
  .string('expected a duration such as 90s, 5m or 1h30m')
  .transform((text, context) => parseDuration(text) ?? wrong(context, `"${text}" is not a duration; write for example 90s, 5m or 1h30m`))
  .refine((ms) => ms > 0, 'a duration must be longer than 0')
  .refine((ms) => ms <= mostMs, 'a duration must be at most 365d');

const size = z
  .union([z.string(), z.number().int()], 'expected a size such as 64MiB')
  .transform((value, context) => parseSize(String(value)) ?? wrong(context, `"${value}" is not a size; write for example 64MiB`))
  .refine((bytes) => bytes > 0, 'a size must be larger than 0')
  .refine(Number.isSafeInteger, 'a size must be less than 8192 TiB');

const wholeNumber = (least: number, most: number = Number.MAX_SAFE_INTEGER): z.ZodInt => {
  const range = most === Number.MAX_SAFE_INTEGER ? `, ${least} or more` : ` from ${least} to ${most}`;
  const error = ({ input }: { readonly input?: unknown }): string => `expected a whole number${range}, got ${JSON.stringify(input)}`;
  return z.int({ error }).min(least, { error }).max(most, { error });
};

const expectedTimes = ({ input }: { readonly input?: unknown }): string =>
  `expected a whole number, 2 or more, or 0 for never, got ${JSON.stringify(input)}`;
const timesOrNever = z.int({ error: expectedTimes }).refine((times) => times === 0 || times >= 2, { error: expectedTimes });

const key = z.union(
  [
    z.strictObject({ env: z.string().min(1) }),
    z.strictObject({ file: z.string().min(1) }),
    z.strictObject({ command: z.array(z.string()).min(1) }),
  ],
  'expected one of { env: NAME }, { file: PATH } or { command: [ … ] }; the key itself never stands in the configuration',
);

const variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'not a variable name');

/** Without those that say where the agent's programs and its own files are, or by which we find it again. */
const secretVariable = variable.regex(
  /^(?!(PATH|HOME|XDG_.*|SINGLETREE_.*)$)/,
  'PATH, HOME, XDG_… and SINGLETREE_… say where things are: they are no secrets',
);

const truth = z.boolean('expected true or false');

const harness = z
  .strictObject({
    /** A package name, or a path to a module. */
    plugin: z.string().min(1).optional(),
    /** Found on the PATH, or an absolute path. */
    executable: z.string().min(1).optional(),
    model: z.string().min(1).optional(),
    base_url: z.url({ protocol: /^https?$/, error: 'expected an http or https URL' }).optional(),
    api_key: key.optional(),
    env: z.record(variable, z.string()).default({}),
    /** Variables whose values are read when a process starts, and stand in no file, argument or log. */
    secrets: z.record(secretVariable, key).default({}),
    args: z.array(z.string()).default([]),
    /** The plugin's own, checked against the schema that it brings. */
    options: z.record(z.string(), z.unknown()).default({}),
    /** Whether the CLI sends its own traces too, where the daemon's go. */
    telemetry: truth.default(false),
  })
  .superRefine(({ env, secrets }, context) => {
    for (const name of Object.keys(secrets)) {
      if (name in env)
        context.addIssue({ code: 'custom', path: ['secrets', name], message: 'the variable stands in env too: leave one of them out' });
    }
  });

const sizeOrNone = z
  .union([z.string(), z.number().int()], 'expected a size such as 256MiB, or 0 for none')
  .transform((value, context) => parseSize(String(value)) ?? wrong(context, `"${value}" is not a size; write for example 256MiB`))
  .refine(Number.isSafeInteger, 'a size must be less than 8192 TiB');

const numberFrom = (least: number, most: number): z.ZodNumber => {
  const error = ({ input }: { readonly input?: unknown }): string =>
    `expected a number from ${least} to ${most}, got ${JSON.stringify(input)}`;
  return z.number({ error }).min(least, { error }).max(most, { error });
};

/** US dollars, kept as millionths. */
const usd = numberFrom(0.000_001, 1_000_000).transform((dollars) => Math.round(dollars * 1_000_000));

const rate = numberFrom(0, 1_000_000);
const cacheRates = { cache_read: rate.optional(), cache_write: rate.optional(), cache_write_1h: rate.optional() };

/** What calls with more prompt tokens cost; a rate that is left out is as for smaller ones. */
const tier = z.strictObject({ above: wholeNumber(1), input: rate.optional(), output: rate.optional(), ...cacheRates });

/** US dollars per million tokens. Calls that use a kind without a rate have no known price. */
const rates = z
  .strictObject({ input: rate, output: rate, ...cacheRates, tiers: z.array(tier).optional() })
  .superRefine((price, context) => {
    for (const kind of ['cache_read', 'cache_write', 'cache_write_1h'] as const) {
      if (price[kind] === undefined && price.tiers?.some((each) => each[kind] !== undefined))
        wrong(context, `a tier has ${kind}, so that smaller calls need it too`);
    }
    if (price.cache_write_1h !== undefined && price.cache_write === undefined) wrong(context, 'cache_write_1h needs cache_write beside it');
  });

const price = z.union([z.literal('free'), rates], {
  error: ({ input }) =>
    typeof input === 'object' && input !== null
      ? undefined
      : 'expected free, or a mapping such as { input: 3, output: 15 } in US dollars per million tokens',
});

/** Before a slash whose model it is; a star at the end alone. */
const pricedModel = z.string().regex(/^(\*|[^\s*]+\*?)$/, 'a model is a name without spaces; a * stands at its end only');

const wait = z.union([z.literal(0), duration], 'expected a duration such as 30s, or 0');

const pattern = z.string('expected a regular expression').superRefine((text, context) => {
  try {
    if (new RegExp(text, 'u').test('')) wrong(context, `"${text}" matches the empty text, which is everywhere`);
  } catch (error) {
    wrong(context, `"${text}" is not a regular expression: ${error instanceof Error ? error.message : String(error)}`);
  }
});

const pemFile = z.string().regex(/^\//, 'a PEM file is named by an absolute path');

/** A receiver of telemetry beside the one that the OTEL_ variables speak of. */
const destination = z.strictObject(
  {
    /** For all signals: over HTTP, v1/traces or v1/metrics is added. */
    endpoint: z
      .url({ protocol: /^https?$/, error: 'expected an http or https URL' })
      .refine((url) => !/^[a-z]+:\/\/[^/?#]*@/i.test(url), 'a name and password belong in headers, as { authorization: { env: NAME } }'),
    protocol: z.enum(['http/protobuf', 'grpc']).default('http/protobuf'),
    /** Read when the daemon starts. */
    headers: z.record(z.string().min(1), key).default({}),
    compression: z.enum(['gzip', 'none']).default('none'),
    timeout: duration.prefault('10s'),
    /** PEM files: whom to believe, and who we are. */
    certificate: pemFile.optional(),
    client_certificate: pemFile.optional(),
    client_key: pemFile.optional(),
    signals: z
      .array(z.enum(['traces', 'metrics']))
      .min(1, 'expected traces, metrics, or both')
      .default(['traces', 'metrics']),
  },
  'expected a mapping such as { endpoint: "http://localhost:4318" }',
);

const destinationName = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,62}$/, 'a destination is named in lower case, with digits, underscores and dashes')
  .refine((name) => name !== 'otlp', 'otlp is the destination that the OTEL_ variables speak of: call this one otherwise');

/** Changes to a rule of the retry table; an absent field is as in the table. */
const retryRule = z.strictObject(
  {
    retry: truth.optional(),
    charged: truth.optional(),
    session: z.enum(['resume', 'fresh']).optional(),
    initial: wait.optional(),
    factor: numberFrom(1, 10).optional(),
    cap: wait.optional(),
    jitter: numberFrom(0, 1).optional(),
    max_retries: wholeNumber(0, 100).optional(),
  },
  'expected a mapping such as { retry: false }',
);

/** At how many it warns and at how many it stops the attempt; 0: never. Each is as without the other one where that alone is given. */
const watchdog = (warn: number, stop: number) =>
  z
    .strictObject(
      { warn: timesOrNever.default(warn), stop: timesOrNever.default(stop) },
      'expected a mapping such as { warn: 5, stop: 20 }',
    )
    .superRefine(({ warn, stop }, context) => {
      if (stop > 0 && warn >= stop) wrong(context, `warn must be less than stop, and they are ${warn} and ${stop}; 0 is for never`);
    })
    .prefault({});

const retriable = failureReasons.filter((reason) => !fixedReasons.includes(reason));

/** The configuration file. Everything has a default; an unknown key is an error. */
export const configurationSchema = z.strictObject({
  version: z.literal(1, 'this program reads version 1').default(1),
  listen,
  concurrency: z
    .strictObject({
      total: wholeNumber(1, 1000).default(4),
      per_harness: z.record(z.string(), wholeNumber(1)).default({}),
      /** How many tasks may wait for their turn before new ones are refused; 0: as many as come. */
      max_waiting: wholeNumber(0).default(10_000),
    })
    .prefault({}),
  defaults: z
    .strictObject({
      harness: z.string().default('claude_code'),
      permissions: z.enum(['all', 'edits', 'read']).optional(),
      max_attempts: wholeNumber(1, 20).default(3),
      timeout: duration.prefault('1h'),
      max_output: size.prefault('64MiB'),
      gate_timeout: duration.prefault('15m'),
      /** Of one harness process; absent: none beside timeout. */
      attempt_timeout: duration.optional(),
      first_output: duration.prefault('2m'),
      stall: duration.prefault('5m'),
      max_turns: wholeNumber(1).optional(),
      max_tokens: wholeNumber(1).optional(),
      max_cost_usd: usd.optional(),
      /** Of the context window; the attempt ends there, and the next one begins a fresh session. */
      max_context: numberFrom(0.01, 1).optional(),
      min_free_disk: sizeOrNone.prefault('256MiB'),
      blocked_limit: duration.prefault('24h'),
    })
    .prefault({}),
  /** Changes to the built-in retry table, by failure reason. */
  retry: z.partialRecord(z.enum(retriable), retryRule).default({}),
  /** Prices that count before the bundled list's, by model: a name, PROVIDER/NAME, or the beginning of one with a `*` at its end. */
  prices: z.record(pricedModel, price).default({}),
  /** What is done about a harness that talks and gets nowhere. */
  watchdogs: z
    .strictObject({
      /** The same call with the same result, so many times in a row. Agents do poll: a build that takes half an hour, asked once a minute. */
      same_call: watchdog(5, 30),
      /** The same call that fails, so many times in a row. A server that is not up yet is asked so, too. */
      same_failure: watchdog(5, 20),
      /** Model calls without a change of any file, for types of task that need one. Reading a large repository takes many, so it only warns. */
      unchanged_turns: watchdog(40, 0),
      /** Model calls in a row that called no tool, without the end that follows such a call. */
      empty_turns: watchdog(5, 20),
      /** How long a harness may be silent after its final result, where nothing is known that would wake it. A CLI may sum up a long context first. */
      end_grace: duration.prefault('2m'),
    })
    .prefault({}),
  supervision: z
    .strictObject({
      /** How everything that descends from a process is found and ended; `auto`: the best that works here. */
      containment: z.enum(['auto', 'marker', 'cgroup', 'pid_namespace']).default('auto'),
      /** How long a process whose limits need the daemon may run on without one. */
      unsupervised_limit: duration
        .refine((ms) => ms >= 1_000, 'must be at least 1s: a daemon that is well takes up to a quarter of a second to vouch again')
        .prefault('10m'),
    })
    .prefault({}),
  telemetry: z
    .strictObject({
      /** Whether the daemon tells of itself: a span for each call, and figures of its process. */
      health: truth.default(false),
      /** What traces show of an attempt beside itself. */
      spans: z.array(z.enum(['tools', 'model_calls'])).default([]),
      /** How many of these one trace may hold; the rest is counted. */
      max_spans: wholeNumber(1, 10_000).default(500),
      /** Whether titles, labels, summaries, messages of failures and paths leave the machine. */
      content: truth.default(false),
      /** Taken out of them, and out of names, beside what is known to be secret. */
      redact: z.array(pattern).default([]),
      /** Where telemetry goes beside where the OTEL_ variables say. */
      destinations: z.record(destinationName, destination).default({}),
      /** How long records are kept that were delivered, or that no destination waits for. */
      retain: duration.prefault('30d'),
      /** Records that may wait for destinations; where as many do, new tasks are refused. 0: as many as come. */
      max_pending: wholeNumber(0).default(50_000),
    })
    .prefault({}),
  harnesses: z.record(z.string().regex(/^[a-z][a-z0-9_]*$/, 'a harness id is lower case, with underscores'), harness).default({}),
});

export type Configuration = z.output<typeof configurationSchema>;

/** What is there without any configuration; a file only changes it. */
export const builtInPlugins: Readonly<Record<string, string>> = {
  claude_code: '@singletree/harness-claude',
  codex: '@singletree/harness-codex',
  opencode: '@singletree/harness-opencode',
};

function wrong(context: z.RefinementCtx, message: string): never {
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
}
