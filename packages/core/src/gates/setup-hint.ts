/** How a kind of project shows that its dependencies are not installed, and what installs them. The first that fits is told. */
const projects: readonly { readonly manifest: string; readonly installed: readonly string[]; readonly setup: string }[] = [
  { manifest: 'pnpm-lock.yaml', installed: ['node_modules'], setup: 'pnpm install --frozen-lockfile' },
  { manifest: 'yarn.lock', installed: ['node_modules', '.pnp.cjs'], setup: 'yarn install --immutable' },
  { manifest: 'bun.lock', installed: ['node_modules'], setup: 'bun install --frozen-lockfile' },
  { manifest: 'package-lock.json', installed: ['node_modules'], setup: 'npm ci' },
  { manifest: 'package.json', installed: ['node_modules'], setup: 'npm install' },
  { manifest: 'uv.lock', installed: ['.venv'], setup: 'uv sync' },
  {
    manifest: 'requirements.txt',
    installed: ['.venv', 'venv'],
    setup: 'python3 -m venv .venv && .venv/bin/pip install -r requirements.txt',
  },
  { manifest: 'composer.json', installed: ['vendor'], setup: 'composer install' },
  { manifest: 'mix.exs', installed: ['deps'], setup: 'mix deps.get' },
];

const signsOfMissing = /not found|cannot find (module|package)|no module named|failed opening required|could not find/i;

/**
 * What would help a gate that found its tools missing: a worktree has no ignored files, so nothing is installed in it until setup does it.
 *
 * @param entries names in the directory where the gate ran
 */
export function setupHint(code: number | null, output: string, entries: ReadonlySet<string>): string | undefined {
  if (code === 0 || (code !== 127 && !signsOfMissing.test(output))) return undefined;
  const project = projects.find(({ manifest }) => entries.has(manifest));
  if (project === undefined || project.installed.some((name) => entries.has(name))) return undefined;
  return `this workspace has no ${project.installed[0] ?? ''}: if the command needs the dependencies of ${project.manifest}, add --setup '${project.setup}'`;
}
