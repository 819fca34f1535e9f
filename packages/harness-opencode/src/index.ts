import { defineHarness, type Harness } from '@singletree/harness';
import { baselineOf } from './baseline.ts';
import { capabilities, knownLimits, newestVersion, oldestVersion } from './capabilities.ts';
import { command } from './command.ts';
import { contextWindow } from './context-window.ts';
import { createDecoder } from './decode.ts';
import { exitEvidence } from './ending.ts';
import { nativeExecutables } from './native.ts';
import { options, type OpenCodeOptions } from './options.ts';
import { probe } from './probe.ts';
import { sessionQueries } from './session-rows.ts';
import { reconcile, sessionFiles } from './session.ts';

const harness: Harness<OpenCodeOptions> = defineHarness<OpenCodeOptions>({
  specificationVersion: 'harness/v1',
  harnessId: 'opencode',
  displayName: 'OpenCode',
  defaultExecutable: 'opencode',
  supportedVersions: `${oldestVersion} – ${newestVersion}`,
  knownLimits,
  decoderVersion: 6,
  capabilities,
  options,
  probe,
  command,
  decoder: createDecoder,
  environment: ['OPENCODE_CONFIG', 'OPENCODE_CONFIG_DIR'],
  projectConfiguration: ['opencode.json', 'opencode.jsonc', '.opencode'],
  nativeExecutables: (executable) => nativeExecutables(executable),
  sessionQueries,
  sessionFiles,
  baseline: baselineOf,
  reconcile,
  contextWindow,
  exitEvidence,
});

export default harness;
