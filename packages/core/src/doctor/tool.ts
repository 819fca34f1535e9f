import { hostCall } from '../supervision/host.ts';
import { assertSqliteVersion } from '../store/sqlite/database.ts';
import { createGit, gitVersion } from '../workspace/git.ts';
import { errorFrom, type Finding } from './finding.ts';

/** The program itself and what it stands on. `path` is the PATH of what the daemon starts. */
export async function examineTool(version: string, path: string): Promise<Finding[]> {
  return [
    { check: 'version', status: 'ok', message: `singletree ${version}` },
    nodeFinding(),
    sqliteFinding(process.versions['sqlite'] ?? ''),
    await gitFinding(path),
  ];
}

function nodeFinding(): Finding {
  const { node } = process.versions;
  const message = `${node} on ${process.platform} ${process.arch}`;
  if (hasGlibc()) return { check: 'node', status: 'ok', message, where: process.execPath };
  return {
    check: 'node',
    status: 'error',
    message: `${message} is not built for glibc, which the coding agents and this program are made for`,
    where: process.execPath,
    mend: 'use a Linux distribution with glibc, such as Debian, Ubuntu or Fedora',
  };
}

function hasGlibc(): boolean {
  const report: unknown = process.report.getReport();
  const header = typeof report === 'object' && report !== null && 'header' in report ? report.header : undefined;
  return typeof header === 'object' && header !== null && 'glibcVersionRuntime' in header;
}

function sqliteFinding(version: string): Finding {
  try {
    assertSqliteVersion(version, process.execPath);
    return { check: 'sqlite', status: 'ok', message: version };
  } catch (error) {
    return errorFrom('sqlite', error, process.execPath);
  }
}

async function gitFinding(path: string): Promise<Finding> {
  try {
    const git = createGit({ hostCall, home: '/nonexistent', path, timeoutMs: 10_000 });
    return { check: 'git', status: 'ok', message: await gitVersion(git) };
  } catch (error) {
    return errorFrom('git', error);
  }
}
