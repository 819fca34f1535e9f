import { defineHarness, type Harness } from '@singletree/harness';
import { baselineOf } from './baseline.ts';
import { capabilities, newestVersion, oldestVersion } from './capabilities.ts';
import { command } from './command.ts';
import { createDecoder } from './decode.ts';
import { exitEvidence } from './ending.ts';
import { knownLimits } from './known-limits.ts';
import { options, type ClaudeOptions } from './options.ts';
import { probe } from './probe.ts';
import { reconcile, sessionFiles } from './session.ts';

const harness: Harness<ClaudeOptions> = defineHarness<ClaudeOptions>({
  specificationVersion: 'harness/v1',
  harnessId: 'claude_code',
  displayName: 'Claude Code',
  defaultExecutable: 'claude',
  provider: 'anthropic',
  supportedVersions: `${oldestVersion} – ${newestVersion}`,
  knownLimits,
  decoderVersion: 3,
  capabilities,
  options,
  environment: ['CLAUDE_CONFIG_DIR'],
  projectConfiguration: [
    '.claude/settings.json',
    '.claude/settings.local.json',
    '.claude/agents',
    '.claude/commands',
    '.claude/skills',
    '.mcp.json',
  ],
  probe,
  command,
  decoder: createDecoder,
  sessionFiles,
  baseline: baselineOf,
  reconcile,
  exitEvidence,
});

export default harness;
