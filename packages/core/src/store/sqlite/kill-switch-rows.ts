import type { SQLInputValue } from 'node:sqlite';
import type { KillSwitch } from '../../task/scopes.ts';
import { integerOf, optionalTextOf, textOf, type Row } from './rows.ts';

/** Reads kill switches; goes on with a WHERE or an ORDER BY. */
export const selectKillSwitches = 'SELECT scope, thrown_by, why, thrown_at FROM kill_switches';

export const insertKillSwitch = 'INSERT OR IGNORE INTO kill_switches (scope, thrown_by, why, thrown_at) VALUES (?, ?, ?, ?)';

/** The values of `insertKillSwitch`. */
export function valuesOf({ scope, by, why, at }: KillSwitch): SQLInputValue[] {
  return [scope, by, why ?? null, at];
}

export function killSwitchOf(row: Row): KillSwitch {
  const why = optionalTextOf(row, 'why');
  return {
    scope: textOf(row, 'scope'),
    by: textOf(row, 'thrown_by'),
    ...(why === undefined ? {} : { why }),
    at: integerOf(row, 'thrown_at'),
  };
}
