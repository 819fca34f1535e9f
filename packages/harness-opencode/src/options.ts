import { z } from 'zod';

export interface McpServer {
  readonly command?: string | undefined;
  readonly args?: readonly string[] | undefined;
  readonly env_vars?: readonly string[] | undefined;
  readonly url?: string | undefined;
  readonly bearer_token_env_var?: string | undefined;
  readonly timeout_sec?: number | undefined;
}

type Action = 'allow' | 'deny';
/** By tool, as the CLI names it; `*` and `?` match. Of the rules that match, the last one counts. */
export type Rules = Readonly<Record<string, Action | Readonly<Record<string, Action>>>>;

export interface OpenCodeOptions {
  readonly effort?: string | undefined;
  readonly agent: string;
  readonly small_model?: string | undefined;
  readonly context_window?: number | undefined;
  readonly max_output?: number | undefined;
  readonly provider_package?: string | undefined;
  readonly instructions: readonly string[];
  readonly mcp_servers: Readonly<Record<string, McpServer>>;
  readonly permission_rules: { readonly all?: Rules | undefined; readonly edits?: Rules | undefined; readonly read?: Rules | undefined };
}

const variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'not the name of a variable');
const model = z.string().regex(/^[^/\s]+\/\S+$/, 'expected PROVIDER/MODEL');
const tokens = z.int().positive().optional();
// A rule that asks would end the run: nobody is there to answer.
const action = z.enum(['allow', 'deny']);
const rules = z.record(z.string().min(1), z.union([action, z.record(z.string().min(1), action)])).optional();

const mcpServer: z.ZodType<McpServer> = z
  .strictObject({
    command: z.string().min(1).optional(),
    args: z.array(z.string()).optional(),
    env_vars: z
      .array(variable)
      .optional()
      .describe('Names of variables that it gets: their values come from "env" of the harness, never from here.'),
    url: z.url({ protocol: /^https?$/ }).optional(),
    bearer_token_env_var: variable.optional().describe('Name of the variable that holds its token.'),
    timeout_sec: z.number().positive().optional().describe('How long it may take to list its tools.'),
  })
  .refine(({ command, url }) => (command === undefined) !== (url === undefined), 'needs either a command or a url');

export const options: z.ZodType<OpenCodeOptions> = z.strictObject({
  effort: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]*$/, 'lower case letters, digits, - and _ only')
    .optional()
    .describe("The model's variant in the CLI's words: high, max, minimal, or whatever its provider knows."),
  agent: z
    .string()
    .regex(/^[A-Za-z0-9][\w.-]*$/, 'not the name of an agent')
    .default('build')
    .describe('The primary agent of the CLI that does the work.'),
  small_model: model.optional().describe("For the CLI's own short calls. Absent: as the CLI is configured."),
  context_window: tokens.describe('Tokens, for a model that the CLI does not know: without it there is no compaction.'),
  max_output: tokens.describe('Tokens of one answer, beside context_window. Absent: 32000.'),
  provider_package: z
    .string()
    .min(1)
    .optional()
    .describe('The npm package by which the CLI speaks to base_url. Absent: @ai-sdk/openai-compatible, which it brings along.'),
  instructions: z
    .array(z.string().regex(/^(\/|~\/|https:\/\/)/, 'expected an absolute path, ~/… or https://…'))
    .default([])
    .describe('Files and addresses whose text is added to the system prompt.'),
  mcp_servers: z.record(z.string().regex(/^[A-Za-z0-9_-]+$/, 'letters, digits, - and _ only'), mcpServer).default({}),
  permission_rules: z
    .strictObject({ all: rules, edits: rules, read: rules })
    .default({})
    .describe("Rules in the CLI's own words, by permission mode and tool, after those of the mode."),
});
