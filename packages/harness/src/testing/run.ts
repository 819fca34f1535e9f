/** A case of the suite, or one like it. */
interface Case {
  readonly rule: string;
  readonly name: string;
  run(): void | Promise<void>;
}

export interface CaseResult {
  readonly rule: string;
  readonly name: string;
  readonly passed: boolean;
  /** What is wrong. */
  readonly message?: string;
}

/** Tries every case, one after another, without any test runner. `limitMs`: longest time for one case that waits for the plugin; one that
 *  never comes back is nothing that can be ended from here. */
export async function* runSuite(cases: readonly Case[], limitMs: number = 30_000): AsyncGenerator<CaseResult> {
  for (const each of cases) {
    const { rule, name } = each;
    try {
      await within(each, limitMs);
      yield { rule, name, passed: true };
    } catch (error) {
      // Whatever a plugin throws where the case did not expect it breaks the rule as well.
      yield { rule, name, passed: false, message: error instanceof Error ? error.message : String(error) };
    }
  }
}

async function within(each: Case, limitMs: number): Promise<void> {
  if (limitMs === Number.POSITIVE_INFINITY) return await each.run();
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no answer in ${limitMs / 1000} s`)), limitMs);
  try {
    await Promise.race([each.run(), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
