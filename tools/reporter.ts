import { writeSync } from 'node:fs';
import type { Reporter, TestModule, TestRunEndReason } from 'vitest/node';

/** Ends the run with the plain line `N passed, N failed`, below everything that other reporters and closing processes print. */
export default class PlainLastLine implements Reporter {
  /** Until a run has ended, the honest answer is that it failed. */
  #line = '0 passed, 1 failed';

  onInit(): void {
    process.once('exit', () => writeSync(1, `${this.#line}\n`));
  }

  /** A file that could not be read, a failed `beforeAll` and an error outside of any test count as one failure each. */
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[], reason: TestRunEndReason): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const outsideOfTests = modules
      .flatMap((module) => [module, ...module.children.allSuites()])
      .filter((scope) => scope.errors().length > 0);
    const passed = tests.filter((test) => test.result().state === 'passed').length;
    const failed = tests.filter((test) => test.result().state === 'failed').length + outsideOfTests.length + unhandledErrors.length;
    this.#line = `${passed} passed, ${reason === 'passed' ? failed : Math.max(failed, 1)} failed`;
  }
}
