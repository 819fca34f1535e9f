import { globSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, test } from 'vitest';
import { importsOf, violations } from './dependency-directions.ts';

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

const root = dirname(import.meta.dirname);
const json = (path: string) => JSON.parse(readFileSync(`${root}/${path}`, 'utf8')) as unknown;
const manifests = new Map(
  globSync(['packages/*/package.json', 'test/package.json'], { cwd: root }).map((path) => [dirname(path), json(path) as Manifest]),
);
const folderOf = new Map([...manifests].map(([folder, manifest]) => [manifest.name, folder]));

test('every import goes in an allowed direction', () => {
  const sources = globSync(['packages/*/{src,test}/**/*.ts', 'test/**/*.ts'], { cwd: root, exclude: ['**/node_modules/**'] });
  expect(sources.length).toBeGreaterThan(50);
  expect(sources.flatMap((path) => violations(path, readFileSync(`${root}/${path}`, 'utf8'), folderOf))).toEqual([]);
});

test.each([...manifests].filter(([folder]) => folder !== 'test'))(
  '%s is built after the packages that it depends on',
  (folder, manifest) => {
    const { references } = json(`${folder}/tsconfig.build.json`) as { references: { path: string }[] };
    const needed = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }).flatMap(
      (name) => folderOf.get(name)?.replace('packages/', '../') ?? [],
    );
    expect(references.map(({ path }) => dirname(path)).sort()).toEqual(needed.sort());
  },
);

describe('the rules themselves', () => {
  test.each([
    ['packages/harness/src/events.ts', "import { x } from '@singletree/core';"],
    ['packages/harness-codex/src/decode.ts', "import { x } from '@singletree/harness-claude';"],
    ['packages/sdk/src/client.ts', "import type { Task } from '@singletree/core';"],
    ['packages/core/src/plugins/load.ts', "import { claude } from '@singletree/harness-claude';"],
    ['packages/core/src/plugins/load.ts', "const claude = await import('@singletree/harness-claude');"],
    ['packages/core/src/daemon.ts', "import { x } from '../../harness/src/index.ts';"],
    ['packages/testing/src/index.ts', "export { main } from 'singletree';"],
    ['packages/core/src/engine/engine.ts', "import type { Relay } from '../outbox/relay.ts';"],
    ['packages/core/src/engine/engine.ts', "import { Retention } from '../upkeep/retention.ts';"],
    ['packages/core/src/outbox/relay.ts', "import { loop } from '../dispatcher/loop.ts';"],
    ['packages/core/src/dispatcher/loop.ts', "import { look } from '../supervision/look.ts';"],
    ['packages/core/src/rpc/service.ts', "import { freeze } from '../workspace/freeze.ts';"],
    ['packages/core/src/daemon.ts', "import { runGate } from './gates/command.ts';"],
    ['packages/core/src/rpc/service.ts', "import { catalogue } from '../plugins/catalogue.ts';"],
    ['packages/core/src/gates/command.ts', "import { look } from '../supervision/look.ts';"],
    ['packages/core/src/gates/command.ts', "import {\n  freeze,\n  thaw,\n} from '../workspace/freeze.ts';"],
    ['packages/core/src/workspace/freeze.ts', "import { Engine } from '../engine/engine.ts';"],
    ['packages/core/src/task/next.ts', "import { randomUUID } from 'node:crypto';"],
    ['packages/core/src/task/next.ts', "import type { Store } from '../store/store.ts';"],
    ['packages/core/src/engine/engine.ts', "import { create } from '@bufbuild/protobuf';"],
    ['packages/core/src/workspace/git.ts', "import { execFile } from 'node:child_process';"],
    ['packages/core/src/supervision/shim/main.ts', "import { markerName } from '../protocol.ts';"],
    ['packages/core/src/supervision/shim/main.ts', "import { z } from 'zod';"],
    ['packages/core/src/supervision/shim/main.ts', "const { run } = await import('./run.ts');"],
    ['packages/core/src/supervision/shim/tree.ts', "import { spawn } from 'node:child_process';"],
    ['packages/core/src/supervision/started.ts', "import { expect } from 'vitest';"],
    ['packages/core/src/attempt/drive.ts', 'await rooms.store.commit(changes);'],
  ])('%s: %s is refused', (path, source) => {
    expect(violations(path, source, folderOf)).not.toEqual([]);
  });

  test.each([
    ['packages/core/src/daemon.ts', "import { loop } from './dispatcher/loop.ts';"],
    ['packages/core/src/dispatcher/loop.ts', "import { slots } from './slots.ts';"],
    ['packages/core/src/attempt/judge.ts', "import { runGate } from '../gates/command.ts';"],
    ['packages/core/src/rpc/service.ts', "import type { Catalogue } from '../plugins/catalogue.ts';"],
    ['packages/core/src/gates/command.ts', "import { hostCall } from '../supervision/host.ts';"],
    ['packages/core/src/plugins/load.ts', "import { DomainError } from '../errors.ts';"],
    ['packages/core/src/supervision/shim/main.ts', "import type { Owner } from '../protocol.ts';"],
    ['packages/core/src/supervision/shim/main.ts', "import { run } from './run.ts';"],
    ['packages/core/src/engine/engine.ts', 'await store.commit(changes);'],
    ['packages/core/src/rpc/service.ts', "import { TaskService } from '@singletree/protocol';"],
    ['packages/core/src/task/task.ts', "export type State = 'created' | 'assigned';"],
    ['packages/core/src/store/store.testsuite.ts', "import { expect } from 'vitest';"],
    ['packages/core/src/task/next.test.ts', "import fc from 'fast-check';"],
  ])('%s: %s is allowed', (path, source) => {
    expect(violations(path, source, folderOf)).toEqual([]);
  });

  test('an import is found in each of its forms', () => {
    const forms =
      "import 'a';\nimport b from 'b';\nimport {\n  c,\n} from 'c';\nexport * from 'd';\nexport type { E } from 'e';\nawait import('f');\n";
    expect(importsOf(forms).map(({ specifier, typeOnly }) => specifier + (typeOnly ? ' type' : ''))).toEqual([
      'a',
      'b',
      'c',
      'd',
      'e type',
      'f',
    ]);
  });
});
