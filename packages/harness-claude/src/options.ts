import { z } from 'zod';

export interface McpServer {
  readonly command?: string | undefined;
  readonly args?: readonly string[] | undefined;
  readonly env_vars?: readonly string[] | undefined;
  readonly url?: string | undefined;
  readonly bearer_token_env_var?: string | undefined;
}

export interface ClaudeOptions {
  readonly allow_root: boolean;
  readonly effort?: string | undefined;
  readonly append_system_prompt?: string | undefined;
  readonly allowed_tools: readonly string[];
  readonly disallowed_tools: readonly string[];
  readonly mcp_servers: Readonly<Record<string, McpServer>>;
  readonly json_schema?: Readonly<Record<string, unknown>> | undefined;
  readonly auto_compact_tokens?: number | undefined;
  readonly max_retries?: number | undefined;
  readonly api_timeout_sec?: number | undefined;
  readonly non_streaming_fallback: boolean;
}

/** Longest text of an option, in characters: Linux takes arguments of up to 128 KiB. */
const longest = 30_000;
const variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'not the name of a variable');
// A first letter, so that no rule is a flag.
const tools = z.array(z.string().regex(/^[A-Za-z][^\n]*$/, 'expected a tool, such as Edit, Bash(git log *) or mcp__SERVER')).default([]);

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
  })
  .refine(({ command, url }) => (command === undefined) !== (url === undefined), 'needs either a command or a url');

export const options: z.ZodType<ClaudeOptions> = z.strictObject({
  allow_root: z
    .boolean()
    .default(true)
    .describe('As root the CLI refuses permissions "all" unless it is told that it runs in a sandbox. true: it is told so.'),
  effort: z.enum(['low', 'medium', 'high', 'xhigh', 'max']).optional().describe("How much the model thinks. Absent: the CLI's own choice."),
  append_system_prompt: z.string().min(1).max(longest).optional().describe("Added to the end of the CLI's system prompt."),
  allowed_tools: tools.describe(
    'Allowed with permissions "edits" beyond what that mode allows, in the CLI\'s words: Bash(npm test), WebFetch, mcp__SERVER. With "all" everything is; with "read" nothing is added.',
  ),
  disallowed_tools: tools.describe('Taken away in every mode, in the same words.'),
  mcp_servers: z
    .record(z.string().regex(/^[A-Za-z0-9_-]+$/, 'letters, digits, - and _ only'), mcpServer)
    .default({})
    .describe('Beside your own ones; with permissions "read" there is none.'),
  json_schema: z
    .record(z.string(), z.json())
    .optional()
    .refine((schema) => JSON.stringify(schema ?? {}).length <= longest, `longer than ${longest} characters`)
    .describe('A JSON Schema that the last answer must fit. The answer is the summary of the task.'),
  auto_compact_tokens: z
    .int()
    .min(100_000)
    .optional()
    .describe('Tokens of context that the CLI compacts at, less some for the answer. Absent: only when the provider says that it is full.'),
  max_retries: z.int().min(0).optional().describe("How often the CLI tries a failing call again. Absent: the CLI's own choice, ten times."),
  api_timeout_sec: z
    .number()
    .positive()
    .max(86_400)
    .optional()
    .describe("How long the CLI waits for an answer. Absent: the CLI's own choice, ten minutes."),
  non_streaming_fallback: z
    .boolean()
    .default(true)
    .describe('Whether the CLI asks once more without streaming when streams keep breaking off.'),
});
