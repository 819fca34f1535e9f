import { harnessFinding, type Finding } from '@singletree/core/doctor';
import type { DaemonStatus, Singletree } from '@singletree/sdk';
import type { Call } from '../call.ts';
import { failureFrom } from '../failure.ts';
import { runs } from './daemon.ts';
import type { Section } from './show.ts';
import { telemetryFindings } from './standing.ts';

/** How long a daemon may take to probe its harnesses, over a network. */
const answerLimitMs = 30_000;

/** What a daemon that was named by an address over TCP says of itself: its files and processes may be those of another machine, or of a container. */
export async function* examineByAnswers(call: Call): AsyncGenerator<Section> {
  const client = await call.client();
  const status = await client.daemon.status({ timeoutMs: answerLimitMs }).catch(failureFrom);
  if (status instanceof Error) {
    const { message, hint } = status;
    yield { subject: 'daemon', findings: [{ check: 'daemon', status: 'error', message, ...(hint === undefined ? {} : { mend: hint }) }] };
    return;
  }
  yield { subject: 'daemon', findings: [runs(status), elsewhere(status)] };
  yield { subject: 'harnesses', findings: await harnessFindings(client) };
  yield { subject: 'telemetry', findings: telemetryFindings(status.telemetry) };
}

function elsewhere({ state }: DaemonStatus): Finding {
  const message = 'its machine is not looked at from here: state folder, configuration, supervision, database';
  return { check: 'machine', status: 'skipped', message, where: state, mend: 'singletree doctor, typed there' };
}

async function harnessFindings(client: Singletree): Promise<Finding[]> {
  const listed = await client.harnesses.list({ refresh: true, timeoutMs: answerLimitMs }).catch(failureFrom);
  if (listed instanceof Error) return [{ check: 'harnesses', status: 'error', message: listed.message }];
  return listed.map((harness) => harnessFinding(harness, undefined));
}
