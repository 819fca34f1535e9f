import type { ProbeReport } from '../../telemetry-probe.ts';
import type { Otlp, Signal } from '../destinations/destination.ts';
import type { SendResult } from '../send/send.ts';
import { explainAnswer } from './answers.ts';
import { explainSilence } from './silence.ts';
import { settingNames, type SettingNames } from './settings.ts';
import type { Spoken } from './spoken.ts';

/** A probe that was sent, and what is known of it. */
export interface Probed {
  readonly destination: string;
  readonly signal: Signal;
  readonly to: Pick<Otlp, 'protocol' | 'target'>;
  readonly result: SendResult;
  /** What is spoken at the address, where somebody looked. */
  readonly spoken?: Spoken | undefined;
  /** The proxy that this protocol goes through, by the variable that names it. */
  readonly proxy?: string | undefined;
}

/** What came of a probe, in plain words, and what would mend it. */
export type Explanation = Pick<ProbeReport, 'result' | 'fault' | 'message' | 'mend'>;

/** What an explanation speaks of. */
export interface Subject extends Probed {
  readonly set: SettingNames;
  /** Host and port. */
  readonly host: string;
}

export function explain(probed: Probed): Explanation {
  const { destination, signal, to, result } = probed;
  const subject: Subject = { ...probed, set: settingNames(destination, signal), host: hostOf(to.target) };
  switch (result.kind) {
    case 'acknowledged':
      return taken(subject, result);
    case 'misconfigured':
    case 'refused':
      return explainAnswer(subject, result);
    case 'retry':
      return explainSilence(subject, result.error);
  }
}

/** The address without its scheme and path. */
function hostOf(target: string): string {
  return URL.parse(target)?.host ?? target;
}

function taken({ signal, set }: Subject, { rejected = 0, message }: SendResult & { readonly kind: 'acknowledged' }): Explanation {
  if (rejected > 0) {
    return {
      result: 'doubtful',
      fault: 'partial',
      message: `the receiver answered, but did not take the probe's ${signal === 'traces' ? 'span' : 'point'}`,
      mend: 'its answer says why: look at its limits and filters, and at its log',
    };
  }
  if (message === undefined) return { result: 'taken', message: 'the receiver has taken it' };
  return {
    result: 'doubtful',
    message: 'the receiver has taken it, and has something to say',
    mend: `its answer says what; ${set.endpoint} works`,
  };
}
