import type { KnownLimit } from '@singletree/harness';

/** What was measured with real runs of these versions against a scripted model server. */
export const knownLimits: readonly KnownLimit[] = [
  {
    versions: 'all',
    text: 'While it runs, the output tokens of sub-agents are not told, only their prompts, and those of their last words only where the task has a limit on tokens, cost or context; all of it is in the next total, and in the session files.',
  },
  {
    versions: 'all',
    text: 'Session files are written up to 0.3 s behind: of a sub-agent that is killed within that time after a call, its output is unknown, and sums are lower bounds.',
  },
  {
    versions: 'all',
    text: 'The call that writes the summary of a compaction is in no line and no file but the next total: if the run is killed before, sums are lower bounds. Until then a limit on tokens or cost counts for it what the context held before and after.',
  },
  {
    versions: 'all',
    text: 'Of a call that was under way when the process died, or whose answer broke off, nobody tells what it had said until then: sums are lower bounds.',
  },
  {
    versions: 'all',
    text: 'For a model that the CLI does not know, its price and context window are guesses, and left out.',
  },
  {
    versions: 'all',
    text: 'How large the context window is, is told with a total, when it ends or pauses: before the first one of a process a limit on how full it may be ends nothing.',
  },
  {
    versions: 'all',
    text: 'A key that is refused (401) is tried 11 times, for about three minutes, like an overloaded server; a server that cannot be reached as well. options.max_retries sets how often.',
  },
  {
    versions: 'all',
    text: 'A server that takes a call and says nothing is waited for, for five minutes or longer: the stall limit ends it, or options.api_timeout_sec.',
  },
  {
    versions: 'all',
    text: 'SIGTERM ends it without a last word: its account then comes from output and session files.',
  },
  {
    versions: 'all',
    text: 'Sub-agents run in the background and wake it again: there may be several totals and several last words; it is over when the process exits.',
  },
  {
    versions: 'all',
    text: 'Only files that its own tools edit are told as changed, not those that its shell commands change.',
  },
  {
    versions: 'all',
    text: 'In a workspace that is not trusted it reads the CLAUDE.md of the workspace itself, not those of folders above or below it.',
  },
  {
    versions: 'all',
    text: "Rules in a repository's settings that allow tools hold only where the CLI itself has been told to trust the folder; its hooks and MCP servers run in a trusted workspace without that.",
  },
  {
    versions: 'all',
    text: 'An MCP server gets all variables that the CLI has, not only those that its env_vars name.',
  },
  {
    versions: 'all',
    text: '--max-budget-usd counts each process by itself, and stops after the call that passes it: limits of the task hold over all attempts.',
  },
  {
    versions: 'all',
    text: 'Over HTTPS its own traces are sent without the certificates of OTEL_EXPORTER_OTLP_…: whose it believes is for NODE_EXTRA_CA_CERTS to say, its own one for CLAUDE_CODE_CLIENT_CERT and CLAUDE_CODE_CLIENT_KEY in "env".',
  },
  {
    versions: '2.1.329',
    text: 'A session keeps the system prompt that it began with, until its context is compacted: a changed append_system_prompt counts from the next session on.',
  },
  {
    versions: '2.1.197',
    text: 'Totals begin anew with each process; within one they run on and are told apart by subtraction. They leave out answers that broke off, which are added where their beginning was told.',
  },
  {
    versions: '2.1.197',
    text: 'The last words of a sub-agent, a call of their own, are in no line, whatever limits there are: that call is known from its file and from the next total.',
  },
  {
    versions: '2.1.197',
    text: 'A context that the provider calls too long is not compacted where the session has only one exchange: the attempt ends as context_exhausted.',
  },
];
