import type { ServerResponse } from 'node:http';
import { middle } from './frame.ts';
import { logged } from './usage.ts';
import type { Call, Encoder } from './frame.ts';
import type { Protocol } from './request.ts';
import type { Reply } from './script.ts';
import type { FullUsage, Usage } from './usage.ts';

/** The number of the script's step that answered, counted from 1; `side` for the side reply; `none` where no step did. */
export type StepNumber = number | 'side' | 'none';

/** One answer that told a usage, and the usage exactly as its bytes told it. */
export interface ServedCall {
  readonly step: StepNumber;
  readonly protocol: Protocol;
  readonly model: string;
  readonly usage: Usage;
  /** False if the answer was broken off, or still goes on: `usage` is then what had been told by then. */
  readonly complete: boolean;
}

export interface Recorder {
  tell(usage: FullUsage): void;
  complete(): void;
}

/** Keeps one call's entry in the list up to date with what was written. */
export function recorder(served: ServedCall[], call: Pick<ServedCall, 'step' | 'protocol' | 'model'>): Recorder {
  let place: number | undefined;
  return {
    tell(usage) {
      place ??= served.length;
      served[place] = Object.freeze({ ...call, usage: logged(usage), complete: false });
    },
    complete() {
      const told = place === undefined ? undefined : served[place];
      if (place !== undefined && told) served[place] = Object.freeze({ ...told, complete: true });
    },
  };
}

/** Puts the reply on the wire, or as much of it as its fault lets through. */
export async function send(
  response: ServerResponse,
  encoder: Encoder,
  reply: Reply,
  call: Call,
  stream: boolean,
  record: Recorder,
): Promise<void> {
  const gone = new Promise<void>((resolve) => response.once('close', resolve));
  for (const frame of stream ? encoder.stream(reply, call) : wholeInHalves(encoder, reply, call)) {
    if (frame === middle) {
      if (reply.hang === 'mid') return;
      if (reply.cut === 'mid') return void response.destroy();
      if (reply.cut === 'eof') return void response.end();
      if (reply.sseError) return void response.end(encoder.streamError(reply.sseError, call));
      continue;
    }
    if (response.destroyed) return;
    if (frame.tells) record.tell(frame.tells);
    await Promise.race([written(response, frame.bytes), gone]);
  }
  response.end();
  record.complete();
}

/** An answer that does not stream has a middle too: half of its bytes. */
function* wholeInHalves(encoder: Encoder, reply: Reply, call: Call): ReturnType<Encoder['stream']> {
  const { json, tells } = encoder.whole(reply, call);
  const bytes = JSON.stringify(json);
  const half = Math.floor(bytes.length / 2);
  yield { bytes: bytes.slice(0, half) };
  yield middle;
  yield { bytes: bytes.slice(half), tells };
}

/** Resolves when the kernel has the bytes, so that a cut never loses what was said before it. */
function written(response: ServerResponse, bytes: string): Promise<void> {
  return new Promise((resolve) => {
    response.write(bytes, () => resolve());
  });
}
