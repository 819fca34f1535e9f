/** What the dashboard shows; grafana.ts gives it Grafana's form. */
import { labelName, max, promql, quantile, ratio, share, sum } from './promql.ts';

export interface Panel {
  readonly title: string;
  /** What it means and what it leaves out. */
  readonly about: string;
  readonly kind: 'number' | 'lines' | 'bars' | 'list' | 'table' | 'heatmap';
  readonly unit: 'none' | 'currencyUSD' | 's' | 'percentunit';
  /** Of 24. */
  readonly width: number;
  readonly queries: readonly Query[];
}

export interface Query {
  readonly expression: string;
  /** What a series is called, with `{{label}}` in it; the head of a table's column. */
  readonly legend: string;
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** Variables of the dashboard that choose series, by the label that they choose by. */
export const choices = {
  'gen_ai.agent.name': '$harness',
  'gen_ai.response.model': '$model',
  'singletree.task.type': '$task_type',
  'gen_ai.workflow.name': '$task_type',
} as const;

const { grown, counted, summed, spread, now } = promql(choices);
/** What the dashboard is set to show. */
const range = '$__range';
/** A variable of the dashboard: what each point of a curve looks back on. */
const window = '$window';

const completions = 'singletree.task.completions';
const cost = 'singletree.task.cost';
const duration = 'gen_ai.invoke_workflow.duration';
const attempts = 'gen_ai.invoke_agent.duration';
const gates = 'singletree.quality_gate.duration';
const utilization = 'singletree.task.context.utilization';
const harness = 'gen_ai.agent.name';
const model = 'gen_ai.response.model';
const type = 'singletree.task.type';
const outcome = 'singletree.task.outcome';
const phase = 'singletree.task.phase';
const error = 'error.type';
const gate = 'cicd.pipeline.task.name';
const result = 'cicd.pipeline.task.run.result';
const destination = 'singletree.outbox.destination';

const success = { [outcome]: '=success' } as const;
const failure = { [outcome]: '=~failure|timeout' } as const;
/** What was paid for and did not give all that was asked for. */
const unsuccessful = { [outcome]: '!=success' } as const;

/** Series named by the values of these labels. */
const named = (expression: string, ...labels: string[]): Query => ({
  expression,
  legend: labels.map((label) => `{{${labelName(label)}}}`).join(' '),
});
const column = (legend: string, expression: string): Query => ({ expression, legend });

function number(title: string, about: string, unit: Panel['unit'], expression: string): Panel {
  return { title, about, kind: 'number', unit, width: 3, queries: [{ expression, legend: '' }] };
}

function panel(kind: Exclude<Panel['kind'], 'number'>, unit: Panel['unit'], title: string, about: string, ...queries: Query[]): Panel {
  return { title, about, kind, unit, width: kind === 'heatmap' ? 24 : 12, queries };
}

export const rows: readonly Row[] = [
  {
    title: 'Overview',
    panels: [
      number('Finished', 'Tasks that reached a final state.', 'none', sum(grown(completions, range))),
      number(
        'Success',
        'Share of the finished tasks that gave all that was asked for.',
        'percentunit',
        share(sum(grown(completions, range, success)), sum(grown(completions, range))),
      ),
      number(
        'Failed',
        'Share of the finished tasks that failed or ran out of time.',
        'percentunit',
        share(sum(grown(completions, range, failure)), sum(grown(completions, range))),
      ),
      number('Spent', 'On finished tasks, at list prices, as far as it is known.', 'currencyUSD', sum(grown(cost, range))),
      number(
        'Gates passed',
        'Share of the runs of gates.',
        'percentunit',
        share(sum(counted(gates, range, { [result]: '=success' })), sum(counted(gates, range))),
      ),
      number('Active', 'Tasks that are being worked on now.', 'none', sum(now('singletree.task.active'))),
      number('Queued', 'Tasks that wait for their turn now.', 'none', sum(now('singletree.task.queued'))),
      number('Blocked', 'Tasks that wait for something else now.', 'none', sum(now('singletree.task.blocked'))),
    ],
  },
  {
    title: 'Outcomes',
    panels: [
      panel('bars', 'none', 'Outcomes', 'Finished tasks of the window.', named(sum(grown(completions, window), [outcome]), outcome)),
      panel(
        'table',
        'none',
        'By harness and model',
        'Finished tasks.',
        column('success', sum(grown(completions, range, success), [harness, model])),
        column('partial', sum(grown(completions, range, { [outcome]: '=partial' }), [harness, model])),
        column('failure', sum(grown(completions, range, { [outcome]: '=failure' }), [harness, model])),
        column('timeout', sum(grown(completions, range, { [outcome]: '=timeout' }), [harness, model])),
      ),
      panel('list', 'none', 'Why tasks failed', 'Failures and timeouts.', named(sum(grown(completions, range, failure), [error]), error)),
      panel('list', 'none', 'Why attempts were repeated', '', named(sum(grown('singletree.task.retries', range), [error]), error)),
      panel(
        'lines',
        's',
        'How long tasks take',
        'From the first dispatch to the final state, waits included: half of the tasks, and 95 of 100.',
        column(`p50 {{${labelName(harness)}}}`, quantile(0.5, spread(duration, window), [harness])),
        column(`p95 {{${labelName(harness)}}}`, quantile(0.95, spread(duration, window), [harness])),
      ),
      panel(
        'lines',
        's',
        'How long tasks wait for their first dispatch',
        'Half of the tasks, and 95 of 100.',
        column('p50', quantile(0.5, spread('singletree.task.queue.duration', window))),
        column('p95', quantile(0.95, spread('singletree.task.queue.duration', window))),
      ),
    ],
  },
  {
    title: 'Cost',
    panels: [
      panel(
        'table',
        'currencyUSD',
        'Cost of a success, by harness and task type',
        'All that was spent, on failures too, by the tasks that succeeded. Nothing where none did.',
        column('per success', ratio(sum(grown(cost, range), [harness, type]), sum(grown(completions, range, success), [harness, type]))),
        column('per task', ratio(sum(grown(cost, range), [harness, type]), sum(grown(completions, range), [harness, type]))),
      ),
      panel('bars', 'currencyUSD', 'Spent by model', 'In the window.', named(sum(grown(cost, window), [model]), model)),
      panel(
        'lines',
        'percentunit',
        'Input that came from a cache',
        'Share of the input tokens.',
        named(
          share(
            sum(grown('singletree.task.usage.cache_read.input_tokens', window), [model]),
            sum(grown('singletree.task.usage.input_tokens', window), [model]),
          ),
          model,
        ),
      ),
      panel(
        'list',
        'none',
        'Tasks of unknown cost',
        'Of which the cost, or a part of it, is unknown: the figures above leave that part out.',
        named(sum(grown('singletree.task.cost.unknown', range), [harness, model]), harness, model),
      ),
    ],
  },
  {
    title: 'Where money and time go without success',
    panels: [
      panel(
        'lines',
        'percentunit',
        'Money',
        'Share of what was spent that went to tasks without success.',
        column('without success', share(sum(grown(cost, window, unsuccessful)), sum(grown(cost, window)))),
      ),
      panel(
        'table',
        'currencyUSD',
        'Money by outcome and task type',
        '',
        column('failure', sum(grown(cost, range, { [outcome]: '=failure' }), [harness, type])),
        column('timeout', sum(grown(cost, range, { [outcome]: '=timeout' }), [harness, type])),
        column('partial', sum(grown(cost, range, { [outcome]: '=partial' }), [harness, type])),
      ),
      panel(
        'list',
        's',
        'Time by what it was spent on',
        'Of tasks without success: preparing and running the agent, gates, waits.',
        named(sum(grown('singletree.task.phase.duration', range, unsuccessful), [phase, outcome]), outcome, phase),
      ),
      panel(
        'list',
        's',
        'Time of attempts that failed',
        'By why they failed, of all finished tasks.',
        named(sum(summed(attempts, range, { [error]: '!=' }), [error]), error),
      ),
    ],
  },
  {
    title: 'Gates',
    panels: [
      panel(
        'lines',
        'percentunit',
        'Runs that passed',
        'Share of the runs of each gate.',
        named(share(sum(counted(gates, window, { [result]: '=success' }), [gate]), sum(counted(gates, window), [gate])), gate),
      ),
      panel(
        'table',
        'none',
        'Runs by gate',
        'Those with an error could not be run to a verdict.',
        column('passed', sum(counted(gates, range, { [result]: '=success' }), [gate])),
        column('failed', sum(counted(gates, range, { [result]: '=failure' }), [gate])),
        column('error', sum(counted(gates, range, { [result]: '=error' }), [gate])),
      ),
      panel('lines', 's', 'How long gates take', '95 of 100 runs.', named(quantile(0.95, spread(gates, window), [gate]), gate)),
      panel(
        'lines',
        'percentunit',
        'Tasks whose gates passed',
        'Share of the finished tasks of which gates gave a verdict.',
        column(
          'passed',
          share(
            sum(grown(completions, window, { 'singletree.quality_gate.passed': '=true' })),
            sum(grown(completions, window, { 'singletree.quality_gate.passed': '=~true|false' })),
          ),
        ),
      ),
    ],
  },
  {
    title: 'Context',
    panels: [
      panel(
        'heatmap',
        'percentunit',
        'How full the context was at the end',
        'Share of the context window that the last model call used.',
        named(sum(spread(utilization, window), ['le']), 'le'),
      ),
      panel(
        'lines',
        'none',
        'Compactions and fresh sessions',
        'For each finished task.',
        column('compactions', ratio(sum(grown('singletree.task.context.compactions', window)), sum(grown(completions, window)))),
        column('fresh sessions', ratio(sum(grown('singletree.task.context.rotations', window)), sum(grown(completions, window)))),
      ),
      panel(
        'lines',
        'none',
        'Model calls of a task',
        'Of its main thread: half of the tasks, and 95 of 100.',
        column(`p50 {{${labelName(harness)}}}`, quantile(0.5, spread('singletree.task.turns', window), [harness])),
        column(`p95 {{${labelName(harness)}}}`, quantile(0.95, spread('singletree.task.turns', window), [harness])),
      ),
    ],
  },
  {
    title: 'Queue and delivery',
    panels: [
      panel('lines', 'none', 'Active', 'Tasks that are being worked on.', named(sum(now('singletree.task.active'), [harness]), harness)),
      panel('lines', 'none', 'Queued', 'Tasks that wait for their turn.', named(sum(now('singletree.task.queued'), [harness]), harness)),
      panel(
        'lines',
        's',
        'Age of the oldest record to deliver',
        'It grows while a receiver is away, or refuses the credentials.',
        named(max(now('singletree.outbox.oldest_age'), [destination]), destination),
      ),
      panel(
        'lines',
        'none',
        'Records to deliver',
        'Neither acknowledged nor refused for good.',
        named(sum(now('singletree.outbox.pending'), [destination]), destination),
      ),
      panel(
        'bars',
        'none',
        'Records delivered',
        'In the window.',
        named(sum(grown('singletree.outbox.delivered', window), [destination]), destination),
      ),
      panel(
        'table',
        'none',
        'What did not arrive',
        'Records that were refused for good, and spans that were left out of a record that was taken.',
        column('records refused', sum(grown('singletree.outbox.dead', range), [destination])),
        column('spans left out', sum(grown('singletree.outbox.rejected', range), [destination])),
      ),
    ],
  },
];
