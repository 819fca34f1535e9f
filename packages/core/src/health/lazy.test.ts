import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const core = join(import.meta.dirname, '..');

/** What a daemon's file loads when it is imported, as a process of its own sees it. */
async function loadedBy(file: string): Promise<string[]> {
  const script = `
    const { registerHooks } = await import('node:module');
    const loaded = [];
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
    await import(${JSON.stringify(join(core, file))});
    console.log(JSON.stringify(loaded));
    process.exit();`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], { maxBuffer: 16 * 2 ** 20 });
  return JSON.parse(stdout) as string[];
}

const isSdk = (url: string): boolean => /@opentelemetry\/(sdk-node|instrumentation|configuration|exporter-[\w-]+)\//.test(url);

test('a daemon loads the SDK only where its health is on', async () => {
  const [off, on] = await Promise.all([loadedBy('daemon.ts'), loadedBy('health/health.ts')]);
  expect(off.length).toBeGreaterThan(100);
  expect(off.filter(isSdk)).toEqual([]);
  expect(on.filter(isSdk).length).toBeGreaterThan(1);
});
