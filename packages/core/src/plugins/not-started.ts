/** A program that cannot be started is an answer here; the daemon's own lack of descriptors or memory is not. */
export function notStarted(error: unknown): { missing: string } {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return { missing: 'was not found' };
  if (code === 'EACCES' || code === 'ENOEXEC') return { missing: `cannot be executed (${code})` };
  throw error;
}
