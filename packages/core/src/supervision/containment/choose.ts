import { join } from 'node:path';
import { DomainError } from '../../errors.ts';
import type { ProcessSpec, SandboxLevel } from '../protocol.ts';
import { cgroupDirectory } from '../shim/cgroup-files.ts';
import { cgroupName } from '../shim/cgroup.ts';
import { levels, probeLevel, type ProbeOptions } from './probe.ts';

/** How processes are held that are started from now on. */
export interface Containment {
  readonly level: SandboxLevel;
  /** The cgroup below which theirs are made, at the level `cgroup`. */
  readonly cgroup?: string;
}

/** A level that was asked for by name does not work here. */
export class ContainmentRefused extends DomainError {
  constructor(level: SandboxLevel, why: string) {
    super('CONTAINMENT_UNAVAILABLE', `supervision.containment is ${level}, which does not work here: ${why}`, {
      hint: 'set supervision.containment to auto, or to a level that singletree doctor says works',
      metadata: { level },
    });
    this.name = 'ContainmentRefused';
  }
}

export interface Chosen extends Containment {
  /** Better levels, which do not work here, and why. */
  readonly unavailable: readonly { readonly level: SandboxLevel; readonly why: string }[];
}

/**
 * The first level that works, best first; one that is named must work.
 *
 * @throws ContainmentRefused
 */
export async function chooseContainment(wanted: 'auto' | SandboxLevel, options: ProbeOptions): Promise<Chosen> {
  const unavailable: { level: SandboxLevel; why: string }[] = [];
  for (const level of wanted === 'auto' ? levels : [wanted]) {
    const probed = await probeLevel(level, options);
    const cgroup = level === 'cgroup' ? cgroupDirectory('self', 'unified') : undefined;
    if (probed.works) return { level, ...(cgroup !== undefined && { cgroup }), unavailable };
    if (level === wanted) throw new ContainmentRefused(level, probed.why);
    unavailable.push({ level, why: probed.why });
  }
  return { level: 'marker', unavailable };
}

/** What a specification says of it, for the process of this marker. */
export function heldBy({ level, cgroup }: Containment, marker: string): Pick<ProcessSpec, 'sandbox' | 'cgroup'> {
  return { sandbox: level, ...(cgroup !== undefined && { cgroup: join(cgroup, cgroupName(marker)) }) };
}
