import type { FakeStep } from './steps.ts';

export const agentVersion = '1.0.0';

/** The variable in which the fake agent expects its key. */
export const apiKeyVariable = 'FAKE_AGENT_API_KEY';

/** Tokens by disjoint kind. What is left away is 0. */
export interface FakeUsage {
  readonly input?: number;
  readonly cacheRead?: number;
  readonly cacheWrite?: number;
  readonly output?: number;
  readonly reasoning?: number;
}

/** A line of the fake agent's standard output: one JSON object. */
export type OutputLine =
  | { readonly type: 'session'; readonly session: string; readonly model: string; readonly version: string }
  /** `usage` is what this call used or, with `--cumulative`, what the session has used by now, earlier processes included. Absent: nobody knows. */
  | {
      readonly type: 'call';
      readonly id: string;
      readonly model: string;
      readonly thread?: string;
      readonly usage?: FakeUsage;
      readonly costUsd?: number;
    }
  | { readonly type: 'text'; readonly text: string; readonly thread?: string }
  /** `input`: all that it was given, or a hash of it. */
  | {
      readonly type: 'tool_started';
      readonly id: string;
      readonly tool: string;
      readonly summary: string;
      readonly input: string;
      readonly thread?: string;
    }
  | {
      readonly type: 'tool_finished';
      readonly id: string;
      readonly tool: string;
      readonly failed: boolean;
      readonly output: string;
      readonly thread?: string;
    }
  | { readonly type: 'file'; readonly path: string; readonly change: 'added' | 'modified' | 'deleted' }
  | { readonly type: 'retry'; readonly reason: string; readonly status?: number; readonly delayMs?: number }
  | { readonly type: 'rate_limit'; readonly resetsAtMs?: number; readonly message?: string }
  | { readonly type: 'permission_denied'; readonly tool: string; readonly message: string }
  | { readonly type: 'compaction'; readonly before?: number; readonly after?: number }
  | { readonly type: 'subagent_started' | 'subagent_ended'; readonly id: string; readonly name?: string }
  | {
      readonly type: 'result';
      readonly isError: boolean;
      readonly interrupted?: boolean;
      readonly message?: string;
      readonly reason?: string;
      readonly pending?: number;
    };

/** A line of the session file, which a resumed session goes on from and reconciliation reads. */
export type SessionLine =
  | { readonly type: 'prompt'; readonly text: string; readonly pid: number }
  | {
      readonly type: 'call';
      readonly id: string;
      readonly model: string;
      readonly thread?: string;
      readonly usage?: FakeUsage;
      readonly costUsd?: number;
    };

export type Permissions = 'all' | 'edits' | 'read';

/** The running agent, as its steps see it. */
export interface Agent {
  readonly argv: readonly string[];
  readonly prompt: string;
  readonly model: string;
  readonly permissions: Permissions;
  /** Prints a line on standard output, after the session's where that was held back. */
  emit(line: OutputLine): void;
  /** Writes to one of the outputs as it is. */
  print(output: 'stdout' | 'stderr', text: string | Uint8Array): void;
  /** Keeps a model call in the session file first, then tells it, unless it is not to be told. */
  call(call: {
    readonly model?: string;
    readonly thread?: string;
    readonly usage?: FakeUsage;
    readonly costUsd?: number;
    readonly told: boolean;
  }): void;
  nextToolId(): string;
  /** Runs steps in the place of the one that asks for it. */
  perform(steps: readonly FakeStep[]): Promise<void>;
}
