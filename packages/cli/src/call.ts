import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { ConnectOptions, Singletree } from '@singletree/sdk';
import { tellOfSilence } from './daemon/silence.ts';
import type { ExitCode } from './exit-codes.ts';
import { lookOf, type ColorChoice, type Look, type Output } from './terminal/look.ts';
import { paint, typeset } from './terminal/marks.ts';
import { Screen } from './terminal/screen.ts';
import { clean } from './terminal/text.ts';

/** What surrounds a command: the process's own, or a test's. */
export interface World {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly stdin: AsyncIterable<Uint8Array> & { readonly isTTY?: boolean };
  readonly stdout: Output;
  readonly stderr: Output;
  /** Calls back at each Ctrl-C instead of ending the process, until the function that it gives is called. */
  onInterrupt(handler: () => void): () => void;
}

/** The flags that every command has. */
export interface CommonFlags {
  readonly json?: true;
  readonly quiet?: true;
  readonly state?: string;
  readonly address?: string;
  readonly tokenFile?: string;
  readonly caFile?: string;
  readonly color?: ColorChoice;
}

/** A command of the table in cli.ts. */
export interface CommandModule {
  /** Declares its flags and examples. */
  define(command: Command): void;
  /** Carries it out; throws what it cannot do. */
  run(call: Call, command: Command): Promise<ExitCode | void>;
}

/** One command as it was typed, and where its answers go: results to stdout, everything else to stderr. */
export class Call {
  readonly world: World;
  readonly json: boolean;
  readonly quiet: boolean;
  /** What stdout can show. */
  readonly look: Look;
  /** What stderr can show. */
  readonly progressLook: Look;
  readonly #flags: CommonFlags;

  constructor(world: World, flags: CommonFlags) {
    this.world = world;
    this.json = flags.json ?? false;
    this.quiet = flags.quiet ?? false;
    this.look = lookOf(world.stdout, world.env, flags.color);
    this.progressLook = lookOf(world.stderr, world.env, flags.color);
    this.#flags = flags;
  }

  /** Which daemon: as the client takes it. Paths are absolute. */
  get target(): ConnectOptions {
    const { address, state, tokenFile, caFile } = this.#flags;
    const { env, cwd } = this.world;
    return {
      env,
      ...(address === undefined ? {} : { address }),
      ...(state === undefined ? {} : { state: resolve(cwd, state) }),
      ...(tokenFile === undefined ? {} : { tokenFile: resolve(cwd, tokenFile) }),
      ...(caFile === undefined ? {} : { caFile: resolve(cwd, caFile) }),
    };
  }

  /** Whether the daemon was named by its address: then it is not ours to start, and what it runs with is not ours to compare. */
  get isRemote(): boolean {
    return this.#flags.address !== undefined || (this.#flags.state === undefined && Boolean(this.world.env['SINGLETREE_ADDRESS']));
  }

  /** Whether the daemon was named by an address over TCP: its files and processes may be those of another machine, or of a container. */
  async isOverTcp(): Promise<boolean> {
    if (!this.isRemote) return false;
    const { findAddress, parseAddress } = await import('@singletree/sdk');
    return parseAddress(findAddress(this.target)).kind !== 'unix';
  }

  /**
   * The machine that the daemon is on, where its address says that this is another one: then its paths and processes are none of here. A daemon
   * that is found by its state folder is on this one.
   */
  async otherMachine(): Promise<string | undefined> {
    if (!this.isRemote) return undefined;
    const { findAddress, parseAddress } = await import('@singletree/sdk');
    const address = parseAddress(findAddress(this.target));
    return address.isLocal ? undefined : address.url.hostname;
  }

  /** Where it is told how things go on: stderr, or nowhere. */
  screen(): Screen {
    const { stderr } = this.world;
    return new Screen(this.quiet ? { write: () => {}, isTTY: false } : stderr, this.progressLook);
  }

  /** A client of that daemon. Loaded late, because many commands fail or answer without one. */
  async client(): Promise<Singletree> {
    const { connect } = await import('@singletree/sdk');
    const client = connect(this.target);
    tellOfSilence(client, (text) => this.warn(text));
    return client;
  }

  /** A client of the daemon of a state folder here, whichever one the variables name: of them it takes only whom to trust. */
  async clientHere(state: string): Promise<Singletree> {
    const { connect } = await import('@singletree/sdk');
    const trusting = /^SINGLETREE_(CA|CLIENT_CERTIFICATE|CLIENT_KEY)_FILE$/;
    const env = Object.fromEntries(Object.entries(this.world.env).filter(([name]) => trusting.test(name)));
    const { caFile } = this.target;
    return connect({ state, env, ...(caFile === undefined ? {} : { caFile }) });
  }

  /** Results for people, laid out already. */
  print(lines: readonly string[]): void {
    if (lines.length > 0) this.world.stdout.write(lines.map((line) => `${typeset(this.look, line)}\n`).join(''));
  }

  /** One result for programs, on one line. */
  printJson(value: unknown): void {
    this.world.stdout.write(`${jsonLine(value)}\n`);
  }

  /** Something on the way that is no result. */
  note(text: string): void {
    if (!this.quiet) this.world.stderr.write(typeset(this.progressLook, `${clean(text)}\n`));
  }

  /** What the person should type next. */
  next(commands: readonly (readonly [command: string, does: string])[]): void {
    if (this.quiet) return;
    const width = Math.max(...commands.map(([command]) => command.length));
    for (const [command, does] of commands) this.note(`  ${command.padEnd(width)}   ${does}`);
  }

  /** Something that may be wrong, although the command goes on. */
  warn(text: string): void {
    if (!this.quiet)
      this.world.stderr.write(typeset(this.progressLook, `${paint(this.progressLook, 'yellow', 'warning:')} ${clean(text)}\n`));
  }
}

/** JSON that is harmless on a terminal too: JSON.stringify leaves the second range of control characters as it is. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(/[\u007f-\u009f]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
