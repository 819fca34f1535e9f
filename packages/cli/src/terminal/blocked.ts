import type { Task } from '@singletree/sdk';
import { facts, moment } from './figures.ts';
import { oneLine } from './text.ts';

/** Why a task is blocked, when it is tried again, and when it fails: `unauthenticated · log in to codex · tries again at 18:40 · …`. */
export function blockedText({ blocked }: { readonly blocked?: Task['blocked'] | undefined }, now: number): string {
  if (!blocked) return '';
  const { reason, message, until, failsAt } = blocked;
  return facts(
    reason,
    message !== reason && oneLine(message),
    until && `tries again ${moment(until, now)}`,
    failsAt && `fails ${moment(failsAt, now)} if nothing changes`,
  );
}

/** The same for a list, what says most first: the end may be cut. */
export function blockedBriefly({ reason, message, until }: NonNullable<Task['blocked']>, now: number): string {
  return facts(reason, until && `tries again ${moment(until, now)}`, message !== reason && oneLine(message));
}
