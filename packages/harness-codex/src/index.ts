import { defineHarness, type Harness } from '@singletree/harness';
import { z } from 'zod';
import { capabilities, newestVersion, oldestVersion } from './capabilities.ts';
import { command } from './command.ts';
import { createDecoder } from './decode.ts';
import { exitEvidence } from './ending.ts';
import { probe } from './probe.ts';
import { baselineOf, sessionFiles } from './session.ts';

const harness: Harness = defineHarness<unknown>({
  specificationVersion: 'harness/v1',
  harnessId: 'codex',
  displayName: 'Codex CLI',
  defaultExecutable: 'codex',
  provider: 'openai',
  supportedVersions: `${oldestVersion} – ${newestVersion}`,
  decoderVersion: 2,
  capabilities,
  options: z.strictObject({}),
  probe,
  command,
  decoder: createDecoder,
  sessionFiles,
  baseline: baselineOf,
  exitEvidence,
});

export default harness;
