import type { Task } from '@singletree/sdk';
import { facts, moment } from './figures.ts';
import { oneLine } from './text.ts';

type Blocked = NonNullable<Task['blocked']>;

/** Why a task is blocked: `unauthenticated · log in to codex`. */
export function blockedWhy({ reason, message }: Blocked): string {
  return facts(reason, message !== reason && oneLine(message));
}

/** When it is tried again, and when it fails: `tries again at 18:40 · fails on 2026-11-22 at 13:30 if nothing changes`. */
export function blockedUntil({ until, failsAt }: Blocked, now: number): string {
  return facts(until && `tries again ${moment(until, now)}`, failsAt && `fails ${moment(failsAt, now)} if nothing changes`);
}

/** Both for a list, what says most first: the end may be cut. */
export function blockedBriefly({ reason, message, until }: Blocked, now: number): string {
  return facts(reason, until && `tries again ${moment(until, now)}`, message !== reason && oneLine(message));
}
