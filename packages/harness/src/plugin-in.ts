import { specificationVersion, type Harness } from './contract.ts';

/** The plugin that a module has as its default export, or why there is none, in words behind the module's name. */
export function pluginIn(module: unknown): { readonly harness: Harness } | { readonly problem: string } {
  const found: unknown = typeof module === 'object' && module !== null && 'default' in module ? module.default : undefined;
  if (isHarness(found)) return { harness: found };
  if (typeof found !== 'object' || found === null) return { problem: `has no harness of ${specificationVersion} as its default export` };
  const stated: unknown = Reflect.get(found, 'specificationVersion');
  if (stated === specificationVersion) return { problem: `is no whole harness: ${missingIn(found)}` };
  if (typeof stated !== 'string') return { problem: `has no harness of ${specificationVersion} as its default export` };
  return {
    problem: `is of the contract "${stated}", and this Singletree knows ${specificationVersion}: another version of one of them is needed`,
  };
}

const members = [
  ['string', ['harnessId', 'displayName', 'defaultExecutable']],
  ['function', ['command', 'decoder', 'probe']],
  ['object', ['options', 'capabilities']],
] as const;

function isHarness(value: unknown): value is Harness {
  return (
    typeof value === 'object' &&
    value !== null &&
    Reflect.get(value, 'specificationVersion') === specificationVersion &&
    missingIn(value) === undefined
  );
}

function missingIn(harness: object): string | undefined {
  for (const [kind, names] of members) {
    const missing = names.find((name) => {
      const member: unknown = Reflect.get(harness, name);
      return typeof member !== kind || member === null;
    });
    if (missing !== undefined) return `"${missing}" is no ${kind}`;
  }
  return undefined;
}
