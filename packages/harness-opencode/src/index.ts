import { defineHarness, type Harness } from '@singletree/harness';
import { z } from 'zod';
import { capabilities, newestVersion } from './capabilities.ts';
import { command } from './command.ts';
import { createDecoder } from './decode.ts';
import { exitEvidence } from './ending.ts';
import { probe } from './probe.ts';

const harness: Harness = defineHarness<unknown>({
  specificationVersion: 'harness/v1',
  harnessId: 'opencode',
  displayName: 'OpenCode',
  defaultExecutable: 'opencode',
  supportedVersions: newestVersion,
  decoderVersion: 2,
  capabilities,
  options: z.strictObject({}),
  probe,
  command,
  decoder: createDecoder,
  exitEvidence,
});

export default harness;
