import type { KnownLimit } from '@singletree/harness';

/** What was measured with real runs of these versions against a scripted model server. */
export const knownLimits: readonly KnownLimit[] = [
  {
    versions: 'all',
    text: 'The output tells the output tokens of a call only in a later total: for a run that was killed they come from the session file.',
  },
  {
    versions: 'all',
    text: 'The call that writes the summary of a compaction is in no line and no file but the next total: if the run is killed before, sums are lower bounds.',
  },
  {
    versions: 'all',
    text: 'Of a call that was under way when the process died nothing is known: sums are lower bounds.',
  },
  {
    versions: 'all',
    text: 'For a model that the CLI does not know, its price and context window are guesses, and left out.',
  },
  {
    versions: 'all',
    text: 'A key that is refused (401) is tried 11 times, for about three minutes, like an overloaded server; a server that cannot be reached as well.',
  },
  {
    versions: 'all',
    text: 'A server that takes a call and says nothing is waited for, for five minutes or longer: the stall limit ends it.',
  },
  {
    versions: 'all',
    text: 'SIGTERM ends it without a last word: its account then comes from the session file.',
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
    versions: '2.1.197',
    text: 'Totals run on over resumes and are told apart by subtraction: of a resumed session they are right as long as its file is there.',
  },
  {
    versions: '2.1.197',
    text: 'There is no flag --autocompact: an attempt with it in args ends at once.',
  },
];
