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

/** Longest time for one case that waits for the plugin. */
const caseLimitMs = 30_000;

/** Tries every case, one after another, without any test runner. */
export async function* runSuite(cases: readonly Case[]): AsyncGenerator<CaseResult> {
  for (const each of cases) {
    const { rule, name } = each;
    try {
      await within(each);
      yield { rule, name, passed: true };
    } catch (error) {
      // Whatever a plugin throws where the case did not expect it breaks the rule as well.
      yield { rule, name, passed: false, message: error instanceof Error ? error.message : String(error) };
    }
  }
}

async function within(each: Case): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no answer in ${caseLimitMs / 1000} s`)), caseLimitMs);
  try {
    await Promise.race([each.run(), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
