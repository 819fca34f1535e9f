import type { Capabilities, KnownLimit } from '@singletree/harness';

/** What output and database tell. Without the log that stands between its lines it says nothing of calls that were tried again. */
export const capabilities: Capabilities = {
  resume: true,
  choosesSessionId: false,
  usage: { scope: 'model_call', counts: 'delta' },
  contextWindow: true,
  compaction: true,
  cost: true,
  permissionModes: ['all', 'edits', 'read'],
  untold: ['api_retries'],
  telemetry: { traces: 'links', transports: ['http'], headersVariable: 'OTEL_EXPORTER_OTLP_HEADERS' },
};

export const oldestVersion = '1.18.32';
export const newestVersion = '1.18.34';

export const knownLimits: readonly KnownLimit[] = [
  {
    versions: 'all',
    text: 'A step that a kill cut off is lost: its tokens were used and are told nowhere, so that sums are lower bounds.',
  },
  {
    versions: 'all',
    text: 'What a call used is known when its tools have run, for one that delegates when its sub-agents are through: a limit that it passes holds from then on.',
  },
  {
    versions: 'all',
    text: 'Tokens of sub-agents are told while it runs only for tasks with a limit on tokens, cost or context; else they are added from the database at the end.',
  },
  { versions: 'all', text: 'A session can be gone on in from the directory in which it was begun only.' },
  { versions: 'all', text: 'A permission that nobody answers ends the run with exit code 0; Singletree counts that as permission_denied.' },
  {
    versions: 'all',
    text: 'A stream that ends without a finish reason is asked for again without end; the watchdog empty_turns stops it.',
  },
  { versions: 'all', text: 'Without a context window, its own or from context_window, it never compacts.' },
  {
    versions: 'all',
    text: 'It does not join a trace: TRACEPARENT is ignored. Its own traces have the attribute singletree.task.id in their resource.',
  },
  {
    versions: 'all',
    text: 'Of its own traces what has not been sent when it ends is lost: it sends 512 spans at a time, or what there is after 5 s.',
  },
  {
    versions: 'all',
    text: 'With its own traces goes what it logs while it starts, before a plugin of ours holds its log back: where its files and the workspace are.',
  },
  {
    versions: 'all',
    text: 'Its own traces are sent without certificates of yours: whose it believes beside the usual ones is for NODE_EXTRA_CA_CERTS to say.',
  },
];
