/** What Prometheus reckons and warns of by itself. deploy/prometheus/rules.yaml is made of it. */
import { max, promql, ratio, share, sum } from './promql.ts';

export interface Recording {
  readonly record: string;
  readonly expression: string;
}

export interface Alert {
  readonly alert: string;
  /** What is looked at. */
  readonly quantity: string;
  /** What of it is too much: an operator and a number. Meant to be changed. */
  readonly when: string;
  /** What must hold besides, so that one task of two is no news. */
  readonly enough?: string;
  /** For how long. */
  readonly lasts: string;
  readonly severity: 'warning' | 'critical';
  readonly summary: string;
  /** What to do. */
  readonly description: string;
}

const { grown, counted, now } = promql({});
const completions = 'singletree.task.completions';
const cost = 'singletree.task.cost';
const gates = 'singletree.quality_gate.duration';
const harness = 'gen_ai.agent.name';
const type = 'singletree.task.type';
const outcome = 'singletree.task.outcome';
const destination = 'singletree.outbox.destination';

const failure = { [outcome]: '=~failure|timeout' } as const;
const passed = { 'cicd.pipeline.task.run.result': '=success' } as const;

export const recordings: readonly Recording[] = [
  { record: 'singletree:task_completions:increase1h', expression: sum(grown(completions, '1h'), [harness, type, outcome]) },
  { record: 'singletree:task_failures:ratio1h', expression: share(sum(grown(completions, '1h', failure)), sum(grown(completions, '1h'))) },
  { record: 'singletree:task_cost_usd:increase1h', expression: sum(grown(cost, '1h')) },
  {
    record: 'singletree:task_cost_usd_per_success:ratio1d',
    expression: ratio(sum(grown(cost, '1d'), [harness, type]), sum(grown(completions, '1d', { [outcome]: '=success' }), [harness, type])),
  },
  { record: 'singletree:gate_runs:increase1h', expression: sum(counted(gates, '1h')) },
  { record: 'singletree:gate_runs_passed:ratio1h', expression: share(sum(counted(gates, '1h', passed)), sum(counted(gates, '1h'))) },
];

export const alerts: readonly Alert[] = [
  {
    alert: 'SingletreeTasksFail',
    quantity: 'singletree:task_failures:ratio1h',
    when: '> 0.5',
    enough: 'sum(singletree:task_completions:increase1h) >= 5',
    lasts: '10m',
    severity: 'warning',
    summary: 'More than half of the tasks of the last hour failed.',
    description: 'The panel "Why tasks failed" tells the reasons; `singletree ls` the tasks.',
  },
  {
    alert: 'SingletreeSpending',
    quantity: 'singletree:task_cost_usd:increase1h',
    when: '> 20',
    lasts: '5m',
    severity: 'warning',
    summary: 'More than 20 US dollars were spent in the last hour.',
    description: '`singletree kill-switch on` stops everything; `limits.max_cost_usd` limits a task.',
  },
  {
    alert: 'SingletreeGatesFail',
    quantity: 'singletree:gate_runs_passed:ratio1h',
    when: '< 0.5',
    enough: 'singletree:gate_runs:increase1h >= 10',
    lasts: '10m',
    severity: 'warning',
    summary: 'Fewer than half of the gates of the last hour passed.',
    description: 'The panel "Runs by gate" tells which. A gate that always fails pays for attempts that cannot succeed.',
  },
  {
    alert: 'SingletreeDeliveryStalls',
    quantity: max(now('singletree.outbox.oldest_age'), [destination]),
    when: '> 900',
    lasts: '5m',
    severity: 'warning',
    summary: 'Records of finished tasks wait for {{ $labels.singletree_outbox_destination }} for more than 15 minutes.',
    description:
      'The receiver is away, or refuses the credentials. Nothing is lost. `singletree status` and `singletree doctor telemetry` tell why.',
  },
  {
    alert: 'SingletreeRecordsRefused',
    quantity: sum(grown('singletree.outbox.dead', '1h'), [destination]),
    when: '> 0',
    lasts: '0s',
    severity: 'warning',
    summary: '{{ $labels.singletree_outbox_destination }} refused records for good.',
    description: 'They are kept. When the receiver is mended: `singletree telemetry send --dead`.',
  },
  {
    alert: 'SingletreeSilent',
    quantity: `absent_over_time(${now('singletree.task.active').text}[10m])`,
    when: '> 0',
    lasts: '5m',
    severity: 'critical',
    summary: 'No metrics have come from the daemon for 10 minutes.',
    description: 'It is down, or cannot reach the receiver. `singletree status` on its machine tells.',
  },
];
