import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import type { DiskEvent } from './faults-record.ts';

/** A disk keeps or loses whole sectors. */
const sector = 512;

interface Change {
  /** Number of the event that made it. */
  readonly at: number;
}
interface Write extends Change {
  readonly bytes: Buffer;
  readonly offset: number;
}
interface Truncate extends Change {
  readonly length: number;
}
interface Naming extends Change {
  readonly drop?: string;
  readonly add?: { readonly name: string; readonly node: Node };
}

class File {
  readonly changes: (Write | Truncate)[] = [];
  durable = 0;
  length = 0;
}

class Folder {
  readonly changes: Naming[] = [];
  durable = 0;
  readonly names = new Map<string, Node>();

  change(naming: Naming): void {
    this.changes.push(naming);
    rename(this.names, naming);
  }
}

type Node = File | Folder;

/**
 * A disk as a program has left it by a moment: what each file and folder was made of, and how much of that was synced. What was not may be
 * there or not after a cut of the power, each write for itself and by sectors; changes of names in one folder stay in their order.
 */
export class DiskImage {
  readonly #root: string;
  readonly #top = new Folder();
  #count = 0;

  /** `root`: the folder whose files are recorded. It is there from the beginning. */
  constructor(root: string, events: Iterable<DiskEvent>) {
    this.#root = root;
    for (const event of events) {
      this.#apply(event, this.#count);
      this.#count++;
    }
  }

  /** Writes what a cut of the power leaves into a folder. */
  save(folder: string, random: () => number): void {
    save(this.#top, folder, random);
  }

  #apply(event: DiskEvent, at: number): void {
    switch (event.kind) {
      case 'answer':
        return;
      case 'open': {
        const found = this.#find(event.path);
        if (!found && event.create) this.#parent(event.path)?.change({ at, add: { name: basename(event.path), node: new File() } });
        if (found instanceof File && event.truncate) change(found, { at, length: 0 });
        return;
      }
      case 'folder':
        return this.#parent(event.path)?.change({ at, add: { name: basename(event.path), node: new Folder() } });
      case 'write': {
        const file = this.#find(event.path);
        if (file instanceof File) change(file, { at, bytes: event.bytes, offset: event.offset ?? file.length });
        return;
      }
      case 'truncate': {
        const file = this.#find(event.path);
        if (file instanceof File) change(file, { at, length: event.length });
        return;
      }
      case 'sync': {
        const node = this.#find(event.path);
        if (!node) return;
        const later = node.changes.findIndex((made) => made.at >= event.begun);
        node.durable = Math.max(node.durable, later < 0 ? node.changes.length : later);
        return;
      }
      case 'name': {
        const node = this.#find(event.from);
        if (!node) return;
        const [from, to] = [this.#parent(event.from), this.#parent(event.to)];
        const add = { name: basename(event.to), node };
        const drop = event.keeps ? {} : { drop: basename(event.from) };
        if (from === to) return to?.change({ at, add, ...drop });
        to?.change({ at, add });
        if (!event.keeps) from?.change({ at, ...drop });
        return;
      }
      case 'remove':
        return this.#parent(event.path)?.change({ at, drop: basename(event.path) });
    }
  }

  #find(path: string): Node | undefined {
    const steps = relative(this.#root, path);
    if (steps.startsWith('..')) return undefined;
    let node: Node | undefined = this.#top;
    for (const step of steps === '' ? [] : steps.split('/')) node = node instanceof Folder ? node.names.get(step) : undefined;
    return node;
  }

  #parent(path: string): Folder | undefined {
    const parent = this.#find(dirname(path));
    return parent instanceof Folder ? parent : undefined;
  }
}

function change(file: File, made: Write | Truncate): void {
  file.changes.push(made);
  file.length = lengthAfter(file.length, made);
}

function lengthAfter(length: number, made: Write | Truncate): number {
  return 'length' in made ? made.length : Math.max(length, made.offset + made.bytes.length);
}

function rename(names: Map<string, Node>, { drop, add }: Naming): void {
  if (drop !== undefined) names.delete(drop);
  if (add) names.set(add.name, add.node);
}

function save(folder: Folder, path: string, random: () => number): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const pending = folder.changes.length - folder.durable;
  const kept = folder.changes.slice(0, folder.durable + Math.floor(random() * (pending + 1)));
  const names = new Map<string, Node>();
  for (const naming of kept) rename(names, naming);
  for (const [name, node] of names) {
    if (node instanceof Folder) save(node, join(path, name), random);
    else writeFileSync(join(path, name), contentOf(node, random), { mode: 0o600 });
  }
}

/** All that was synced, and of the rest nothing, all, the first part, or any part. */
function contentOf({ changes, durable }: File, random: () => number): Buffer {
  const luck = random();
  const pending = changes.length - durable;
  const first = Math.floor(random() * (pending + 1));
  const keeps = (index: number): boolean => {
    if (luck < 0.2) return false;
    if (luck < 0.4) return true;
    return luck < 0.6 ? index < first : random() < 0.5;
  };
  const kept = changes.filter((_, index) => index < durable || keeps(index - durable));
  const torn = luck < 0.8 ? undefined : kept.findLastIndex((made, index) => index >= durable && 'bytes' in made);
  const content = Buffer.alloc(kept.reduce(longest, 0));
  let length = 0;
  for (const [index, made] of kept.entries()) {
    if ('length' in made) content.fill(0, made.length);
    else if (index === torn) tear(made, content, random);
    else made.bytes.copy(content, made.offset);
    length = lengthAfter(length, made);
  }
  return content.subarray(0, length);
}

function longest(most: number, made: Write | Truncate): number {
  return Math.max(most, lengthAfter(0, made));
}

/** Copies some of the sectors that a write touches. */
function tear({ bytes, offset }: Write, content: Buffer, random: () => number): void {
  for (let from = 0; from < bytes.length;) {
    const to = Math.min(bytes.length, from + sector - ((offset + from) % sector));
    if (random() < 0.5) bytes.copy(content, offset + from, from, to);
    from = to;
  }
}
