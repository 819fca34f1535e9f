/** SQLite's primary result codes that need an answer of their own; https://sqlite.org/rescode.html */
const busy = 5;
const full = 13;
/** ERROR, TOOBIG, CONSTRAINT, MISMATCH, RANGE */
const aboutTheStatement: readonly number[] = [1, 18, 19, 20, 25];

export function isBusy(error: unknown): boolean {
  return resultCode(error) === busy;
}

export function isFull(error: unknown): boolean {
  return resultCode(error) === full;
}

/** Whether the error says something about what was asked for and nothing about the database: a constraint, or a bug of ours. */
export function isAboutTheStatement(error: unknown): boolean {
  const code = resultCode(error);
  return code === undefined || aboutTheStatement.includes(code);
}

/** The primary code: the low byte of the extended one. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}
