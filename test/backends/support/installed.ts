import type { TestProject } from 'vitest/node';
import { install, linesOf, type Installed } from '../../../tools/backends/install.ts';
import type { Backend } from '../../../tools/backends/backends.ts';

declare module 'vitest' {
  interface ProvidedContext {
    backends: Readonly<Record<Backend['name'], Installed>>;
  }
}

/** Brings the real receivers before the tests, and says at the end which of them the tests had. */
export async function setup(project: TestProject): Promise<() => void> {
  const installed = await install((line) => console.error(line));
  project.provide('backends', Object.fromEntries(installed) as Record<Backend['name'], Installed>);
  return () => {
    for (const line of linesOf(installed)) console.log(line);
  };
}
