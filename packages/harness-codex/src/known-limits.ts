import type { KnownLimit } from '@singletree/harness';

export const knownLimits: readonly KnownLimit[] = [
  {
    versions: 'all',
    text: 'The session id is known only from the first line of output on: an attempt that ends before it cannot be resumed.',
  },
  { versions: 'all', text: 'A cost is never told: it is priced from the tokens.' },
  { versions: 'all', text: 'What an answer used that broke off is told nowhere: the sums are lower bounds then.' },
  { versions: 'all', text: 'While it runs, the call that compacts the context counts as a turn; afterwards it does not.' },
  {
    versions: 'all',
    text: 'For a model that the CLI does not know, its context window is a guess, and left out: tell it by "context_window".',
  },
  {
    versions: 'all',
    text: 'Without the log the total of a run lacks sub-agents, may lack what compacted the context, and holds what a resumed or forked thread had used before: its rollouts tell.',
  },
  {
    versions: 'all',
    text: "A workspace that is not trusted gets no list of skills, the user's own neither: one that the prompt names with $ is still read.",
  },
  { versions: 'all', text: 'A workspace that is not trusted keeps Codex from reading AGENTS.md by itself: the model is told to read it.' },
  { versions: 'all', text: "developer_instructions of the user's own config.toml give way to those of the harness." },
  {
    versions: 'all',
    text: 'A tool call that the sandbox or a wrong patch stopped is no item of the output: it is told as a denial or a warning.',
  },
  {
    versions: 'up to 0.159.3',
    text: 'The rollout does not tell the last call of a process that was killed: the log does, where it is given.',
  },
  { versions: '0.150.0', text: 'A quota that is used up (429 insufficient_quota) is told as a rate limit.' },
  {
    versions: 'all',
    text: 'Its own traces: some spans are never told to have ended, so that those below them show without a parent, in the trace of the task all the same.',
  },
  { versions: '0.150.0', text: 'Its own traces are not sent where the collector wants a client certificate: it cannot read the key.' },
];
