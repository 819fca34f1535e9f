import { defineHarness, type Harness } from '@singletree/harness';
import { baselineOf } from './baseline.ts';
import { capabilities, newestVersion, oldestVersion } from './capabilities.ts';
import { command } from './command.ts';
import { createDecoder } from './decode.ts';
import { exitEvidence } from './ending.ts';
import { knownLimits } from './known-limits.ts';
import { nativeExecutables } from './native.ts';
import { options, type CodexOptions } from './options.ts';
import { probe } from './probe.ts';
import { reconcile, sessionFiles } from './session.ts';

const harness: Harness<CodexOptions> = defineHarness<CodexOptions>({
  specificationVersion: 'harness/v1',
  harnessId: 'codex',
  displayName: 'Codex CLI',
  defaultExecutable: 'codex',
  provider: 'openai',
  supportedVersions: `${oldestVersion} – ${newestVersion}`,
  knownLimits,
  decoderVersion: 5,
  capabilities,
  options,
  environment: ['CODEX_HOME'],
  projectConfiguration: ['.codex/config.toml', '.codex/hooks.json', '.codex/rules', '.codex/skills', '.agents/skills'],
  nativeExecutables: (executable) => nativeExecutables(executable),
  probe,
  command,
  decoder: createDecoder,
  sessionFiles,
  baseline: baselineOf,
  reconcile,
  exitEvidence,
});

export default harness;
