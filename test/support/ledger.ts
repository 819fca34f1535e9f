import type { ModelCall, Singletree, Task } from '@singletree/sdk';

/** The kinds that all tokens are the sum of. */
const kinds = [
  'uncachedInputTokens',
  'cacheReadInputTokens',
  'cacheWriteInputTokens',
  'outputTokens',
  'reasoningOutputTokens',
] as const satisfies readonly (keyof NonNullable<ModelCall['usage']>)[];

export type Ledger = readonly Pick<ModelCall, 'attempt' | 'callId' | 'usage' | 'costUsdMicros'>[];

/** The whole usage ledger of a task. */
export async function ledgerOf(client: Singletree, taskId: string): Promise<ModelCall[]> {
  const calls: ModelCall[] = [];
  for await (const call of client.tasks.modelCalls(taskId, { pageSize: 1_000 })) calls.push(call);
  return calls;
}

/** Where the entries of an attempt that is accounted for do not add up to its account, a sentence each. */
export function differences({ id, attempts }: Pick<Task, 'id' | 'attempts'>, ledger: Ledger): string[] {
  return attempts.flatMap(({ number, usage, costUsdMicros }) => {
    if (usage === undefined) return [];
    const entries = ledger.filter(({ attempt }) => attempt === number);
    const sums = [
      ...kinds.map((kind) => [kind, sumOf(entries.map((entry) => entry.usage?.[kind])), usage[kind] ?? 0] as const),
      ['costUsdMicros', sumOf(entries.map((entry) => entry.costUsdMicros)), costUsdMicros ?? 0] as const,
    ];
    const ids = entries.flatMap(({ callId }) => callId ?? []);
    return [
      ...sums
        .filter(([, sum, told]) => sum !== told)
        .map(([kind, sum, told]) => `the ledger of attempt ${number} of task ${id} has ${sum} ${kind}, the attempt ${told}`),
      ...(new Set(ids).size < ids.length ? [`the ledger of attempt ${number} of task ${id} has a call twice`] : []),
    ];
  });
}

function sumOf(amounts: readonly (number | undefined)[]): number {
  return amounts.reduce<number>((sum, amount) => sum + (amount ?? 0), 0);
}
