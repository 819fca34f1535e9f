/** An amount of tokens of one kind, or of money, that one model used. */
export interface Share {
  readonly model: string | undefined;
  readonly amount: number;
}

/**
 * What totals by model hold beyond what single calls claim. A total may name a model differently than its calls do (an alias, a dated name): what
 * a model's calls hold beyond its total is taken from what other models' totals have left.
 *
 * @returns undefined where the calls claim more than there is
 */
export function restsOf(totals: readonly Share[], claims: readonly Share[]): readonly Share[] | undefined {
  const left = new Map<string | undefined, number>();
  for (const { model, amount } of totals) left.set(model, (left.get(model) ?? 0) + amount);
  for (const { model, amount } of claims) left.set(model, (left.get(model) ?? 0) - amount);
  let owed = [...left.values()].reduce((sum, amount) => sum + Math.max(0, -amount), 0);
  const rests = [...left].map(([model, amount]) => {
    const paid = Math.min(owed, Math.max(0, amount));
    owed -= paid;
    return { model, amount: Math.max(0, amount) - paid };
  });
  return owed > 0 ? undefined : rests;
}
