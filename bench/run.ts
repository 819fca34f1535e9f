import { calls, pricing } from './calls.ts';
import { decoders } from './decoders.ts';
import { starts } from './starts.ts';
import { commits } from './store.ts';
import { tasks } from './tasks.ts';
import { telemetry } from './telemetry.ts';

/** `node bench/run.ts [NAME ...]`: README.md tells what each measures. SINGLETREE_BENCH_ROUNDS and SINGLETREE_BENCH_TASKS make it longer. */
const rounds = Number(process.env['SINGLETREE_BENCH_ROUNDS'] ?? 5);
const many = Number(process.env['SINGLETREE_BENCH_TASKS'] ?? 100);

const benchmarks = {
  starts: () => starts(rounds),
  calls: () => calls(rounds),
  commits: () => commits(rounds),
  decoders: () => decoders(rounds),
  pricing: () => pricing(rounds),
  tasks: () => tasks(rounds, many),
  telemetry: () => telemetry(rounds),
};

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !(name in benchmarks));
if (unknown !== undefined) throw new Error(`no benchmark is called ${unknown}: there are ${Object.keys(benchmarks).join(', ')}`);
for (const [name, run] of Object.entries(benchmarks)) if (wanted.length === 0 || wanted.includes(name)) await run();
