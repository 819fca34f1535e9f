const names = new Set([
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'LANG',
  'LANGUAGE',
  'TERM',
  'TZ',
  'TMPDIR',
  // Where toolchains and certificates lie: without them a gate fails on the machine on which it passes by hand.
  'JAVA_HOME',
  'GOPATH',
  'CARGO_HOME',
  'RUSTUP_HOME',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'NODE_EXTRA_CA_CERTS',
]);
const prefixes = ['LC_', 'XDG_'];

/**
 * The environment of everything that the daemon starts for a task. An allowlist, so that what surrounds the daemon never gets in: package
 * manager variables, NODE_OPTIONS, loader and git variables, keys, or the settings of an agent inside which the daemon was started.
 * `extra` is the configuration's own and wins.
 */
export function childEnvironment(base: NodeJS.ProcessEnv, extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(base)) {
    if (value !== undefined && (names.has(name) || prefixes.some((prefix) => name.startsWith(prefix)))) kept[name] = value;
  }
  return { ...kept, PATH: userPath(base), ...extra };
}

/** The PATH that the person's shell had: whoever starts us through a package manager or with our own Node says it in SINGLETREE_USER_PATH. */
function userPath(base: NodeJS.ProcessEnv): string {
  const stated = base['SINGLETREE_USER_PATH'];
  if (stated !== undefined && stated !== '') return stated;
  const entries = (base['PATH'] ?? '').split(':').filter((entry) => !isOurs(entry));
  const path = entries.join(':');
  return path === '' ? '/usr/local/bin:/usr/bin:/bin' : path;
}

/** What npm and pnpm put before a script's PATH, and the checkout's own Node and pnpm. */
function isOurs(entry: string): boolean {
  const parts = entry.split('/');
  return /(?:^|\/)node_modules\/\.bin\/?$/.test(entry) || parts.includes('.toolchain') || parts.includes('node-gyp-bin');
}
