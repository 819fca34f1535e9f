import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bench } from './bench.testsuite.ts';
import { recordedWorkspace } from './open.ts';

test.each(['', '{"task":', '{}'])('a record that is torn is a workspace that is gone: %j', async (content) => {
  const { open, workspaces } = await bench();
  const { ownGitDir } = await open();
  writeFileSync(join(ownGitDir, 'workspace.json'), content);
  await expect(recordedWorkspace(workspaces, 'task-1')).rejects.toMatchObject({
    reason: 'workspace_gone',
    message: expect.stringContaining(join(ownGitDir, 'workspace.json')),
  });
});
