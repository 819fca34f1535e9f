import { probeContainment } from '../supervision/containment/probe.ts';
import { probeReaping } from '../supervision/containment/reaping.ts';
import type { SandboxLevel } from '../supervision/protocol.ts';
import type { Finding } from './finding.ts';

export interface SupervisionOptions {
  /** The level that the configuration names. */
  readonly wanted: 'auto' | SandboxLevel;
  readonly stateId: string | undefined;
  readonly path: string;
}

const words: Readonly<Record<SandboxLevel, string>> = {
  cgroup: 'cgroup',
  pid_namespace: 'PID namespace',
  marker: 'marker and process table',
};

/** How surely everything that an agent starts can be found and ended here: tried, not read off. From here: a daemon that is a service may have more. */
export async function examineSupervision({ wanted, stateId = 'doctor', path }: SupervisionOptions): Promise<Finding[]> {
  const [{ levels, best }, reaping] = await Promise.all([probeContainment({ stateId, path }), probeReaping()]);
  const probed = (['cgroup', 'pid_namespace'] as const).map((level): Finding => {
    const { [level]: found } = levels;
    const check = level === 'cgroup' ? 'cgroup' : 'namespace';
    if (found.works) return { check, status: 'ok', message: `works: nothing that is started in a ${words[level]} can hide from its end` };
    return { check, status: wanted === level ? 'error' : 'ok', message: `a ${words[level]} does not work here: ${found.why}` };
  });
  return [containment(wanted, best, levels[wanted === 'auto' ? best : wanted].works), ...probed, reapingFinding(reaping)];
}

function containment(wanted: 'auto' | SandboxLevel, best: SandboxLevel, works: boolean): Finding {
  const check = 'containment';
  if (!works && wanted !== 'auto') {
    return {
      check,
      status: 'error',
      message: `supervision.containment is ${wanted}, which does not work here`,
      mend: `set it to auto, or to ${best}`,
    };
  }
  const level = wanted === 'auto' ? best : wanted;
  const message = `processes are held by ${words[level]}${wanted === 'auto' ? '' : ', as configured'}`;
  if (level !== 'marker' || wanted === 'marker') return { check, status: 'ok', message };
  return {
    check,
    status: 'warning',
    message: `${message}: one that clears its environment and leaves its session escapes`,
    mend: 'install bubblewrap, or run the daemon as a systemd user service with Delegate=yes',
  };
}

function reapingFinding(reaping: Awaited<ReturnType<typeof probeReaping>>): Finding {
  const check = 'orphans';
  switch (reaping.kind) {
    case 'reaps':
      return { check, status: 'ok', message: `process ${reaping.parent} waits for those that end` };
    case 'does_not_reap':
      return {
        check,
        status: 'warning',
        message: `process ${reaping.parent} does not wait for orphans: each one that ends stays in the process table`,
        mend: 'start the container with an init, as docker run --init does',
      };
    case 'cannot_tell':
      return { check, status: 'warning', message: `cannot tell whether orphans are waited for: ${reaping.why}` };
  }
}
