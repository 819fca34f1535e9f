import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { until } from '@singletree/testing';

/** strace puts faults into system calls and writes them down. Not every machine has it, and not every container lets it. */
export const hasStrace: boolean = spawnSync('strace', ['-qq', '-o', '/dev/null', 'true']).status === 0;
/** For the names of tests that are skipped without it. */
export const unlessTraced: string = hasStrace ? '' : ' (skipped: there is no strace here that may trace)';

/** What changed something on the disk or told somebody of it, in the order in which it happened. Paths are absolute. */
export type DiskEvent =
  | { readonly kind: 'open'; readonly path: string; readonly create: boolean; readonly truncate: boolean }
  | { readonly kind: 'folder'; readonly path: string }
  /** Without an offset: at the end of the file. */
  | { readonly kind: 'write'; readonly path: string; readonly bytes: Buffer; readonly offset?: number }
  | { readonly kind: 'truncate'; readonly path: string; readonly length: number }
  /** Covers what came before the event with the number `begun`. */
  | { readonly kind: 'sync'; readonly path: string; readonly begun: number }
  | { readonly kind: 'name'; readonly from: string; readonly to: string; readonly keeps: boolean }
  | { readonly kind: 'remove'; readonly path: string }
  /** Bytes that the first process has given to a socket. */
  | { readonly kind: 'answer'; readonly bytes: Buffer };

const calls =
  'openat,mkdir,mkdirat,write,writev,pwrite64,pwritev,ftruncate,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,sendmsg,sendto';

/** The command under which a program and all that it starts is recorded. The recorder is no parent of it and lives as long as anything of it. */
export function recorder(file: string): string[] {
  const format = ['-q', '-y', '-xx', '-s', '4000000'];
  return ['strace', '-D', '-f', '--seccomp-bpf', ...format, '-e', `trace=${calls}`, '-o', file];
}

/** Reads a record once the process `pid`, with which it began, is dead. Of the files only those that are wanted. */
export async function readRecording(file: string, pid: number, wanted: (path: string) => boolean): Promise<DiskEvent[]> {
  const end = new RegExp(`^${pid} +\\+\\+\\+ killed by SIGKILL`, 'm');
  await until(() => end.test(readFileSync(file, 'latin1')), { what: `the record ${file} to be whole`, everyMs: 100 });
  const events: DiskEvent[] = [];
  /** The beginnings of calls that others came into, by pid. */
  const open = new Map<string, { readonly text: string; readonly begun: number }>();
  for (const line of readFileSync(file, 'latin1').split('\n')) {
    const [, thread = '', rest = ''] = /^(\d+) +(.*)$/s.exec(line) ?? [];
    const cut = rest.indexOf(' <unfinished ...>');
    if (cut >= 0) {
      open.set(thread, { text: rest.slice(0, cut), begun: events.length });
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>/.exec(rest)?.[0];
    const before = resumed === undefined ? undefined : open.get(thread);
    const call = before ? before.text + rest.slice(resumed?.length) : rest;
    const event = eventOf(call, before?.begun ?? events.length, Number(thread) === pid);
    if (event && (event.kind === 'answer' || wanted('to' in event ? event.to : event.path))) events.push(event);
  }
  return events;
}

const texts = /"([^"]*)"/g;

/** One call as strace writes it: `pwrite64(22<\x2f…>, "\x00…", 4096, 8192) = 4096`. Undefined if it failed or changes nothing. */
function eventOf(call: string, begun: number, isFirst: boolean): DiskEvent | undefined {
  const result = Number(/ = (-?\d+)[^=]*$/.exec(call.slice(-2_000))?.[1] ?? -1);
  if (result < 0) return undefined;
  const name = call.slice(0, call.indexOf('('));
  const path = bytesOf(/^\w+\(\d+<([^>]*)>/.exec(call.slice(0, 5_000))?.[1]).toString();
  const strings = (): string[] => [...call.matchAll(texts)].map(([, text]) => bytesOf(text).toString());
  const written = (): Buffer => Buffer.concat([...call.matchAll(texts)].map(([, text]) => bytesOf(text))).subarray(0, result);
  switch (name) {
    case 'openat': {
      const [opened = ''] = strings();
      const [create, truncate] = [call.includes('O_CREAT'), call.includes('O_TRUNC')];
      return create || truncate ? { kind: 'open', path: opened, create, truncate } : undefined;
    }
    case 'mkdir':
    case 'mkdirat':
      return { kind: 'folder', path: strings()[0] ?? '' };
    case 'write':
    case 'writev':
    case 'sendmsg':
    case 'sendto':
      if (path.startsWith('socket:')) return isFirst ? { kind: 'answer', bytes: written() } : undefined;
      return path.startsWith('/') ? { kind: 'write', path, bytes: written() } : undefined;
    case 'pwrite64':
    case 'pwritev':
      return { kind: 'write', path, bytes: written(), offset: Number(/, (\d+)\) += /.exec(call.slice(-200))?.[1]) };
    case 'ftruncate':
      return { kind: 'truncate', path, length: Number(/, (\d+)\) += /.exec(call.slice(-200))?.[1]) };
    case 'fsync':
    case 'fdatasync':
      return { kind: 'sync', path, begun };
    case 'rename':
    case 'renameat':
    case 'renameat2':
    case 'link':
    case 'linkat': {
      const [from = '', to = ''] = strings();
      return { kind: 'name', from, to, keeps: name.startsWith('link') };
    }
    case 'unlink':
    case 'unlinkat':
      return { kind: 'remove', path: strings()[0] ?? '' };
    default:
      return undefined;
  }
}

function bytesOf(text = ''): Buffer {
  return Buffer.from(text.replaceAll('\\x', ''), 'hex');
}
