import { z } from 'zod';

export interface McpServer {
  readonly command?: string | undefined;
  readonly args?: readonly string[] | undefined;
  readonly cwd?: string | undefined;
  readonly env_vars?: readonly string[] | undefined;
  readonly url?: string | undefined;
  readonly bearer_token_env_var?: string | undefined;
  readonly enabled_tools?: readonly string[] | undefined;
  readonly disabled_tools?: readonly string[] | undefined;
  readonly startup_timeout_sec?: number | undefined;
  readonly tool_timeout_sec?: number | undefined;
}

/** Tools that the CLI can be told not to have. A patch it can always make; what that may change is for the permissions to say. */
export const toolNames = ['shell', 'web_search', 'view_image', 'sub_agents', 'goals'] as const;
export type ToolName = (typeof toolNames)[number];

export interface CodexOptions {
  readonly effort?: string | undefined;
  readonly append_system_prompt?: string | undefined;
  readonly network: boolean;
  readonly disallowed_tools: readonly ToolName[];
  readonly context_window?: number | undefined;
  readonly auto_compact_tokens?: number | undefined;
  readonly mcp_servers: Readonly<Record<string, McpServer>>;
}

const variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'not the name of a variable');
const names = z.array(z.string().min(1)).optional();
const seconds = z.number().positive().optional();
const tokens = z.int().positive().optional();

const mcpServer: z.ZodType<McpServer> = z
  .strictObject({
    command: z.string().min(1).optional(),
    args: z.array(z.string()).optional(),
    cwd: z.string().min(1).optional(),
    env_vars: z
      .array(variable)
      .optional()
      .describe('Names of variables that it gets: their values come from "env" or "secrets" of the harness, never from here.'),
    url: z.url({ protocol: /^https?$/ }).optional(),
    bearer_token_env_var: variable.optional().describe('Name of the variable that holds its token.'),
    enabled_tools: names,
    disabled_tools: names,
    startup_timeout_sec: seconds,
    tool_timeout_sec: seconds,
  })
  .refine(({ command, url }) => (command === undefined) !== (url === undefined), 'needs either a command or a url');

export const options: z.ZodType<CodexOptions> = z.strictObject({
  effort: z
    .enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh'])
    .optional()
    .describe("How long the model thinks. Absent: the CLI's own choice for the model."),
  append_system_prompt: z.string().min(1).optional().describe('Added to what the CLI tells the model before the prompt.'),
  network: z
    .boolean()
    .default(false)
    .describe('Whether commands reach the network with permissions "edits"; with "all" they do, with "read" they do not.'),
  disallowed_tools: z
    .array(z.enum(toolNames))
    .default([])
    .describe('Taken away in every mode. Those of MCP servers: "enabled_tools" and "disabled_tools" of the server.'),
  context_window: tokens.describe('Tokens, for a model that the CLI does not know.'),
  auto_compact_tokens: tokens.describe('The context is compacted when it is longer. Absent: as the CLI does it for the model.'),
  mcp_servers: z.record(z.string().regex(/^[A-Za-z0-9_-]+$/, 'letters, digits, - and _ only'), mcpServer).default({}),
});
