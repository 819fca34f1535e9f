import {
  amountOf,
  countOf,
  defined,
  digest,
  isJsonObject,
  lineDecoder,
  objectOf,
  silentDecoder,
  stringOf,
  subtractTokens,
} from '@singletree/harness';
import type {
  Baseline,
  Decoder,
  EndEvidence,
  EndReason,
  HarnessEventBody,
  JsonObject,
  OutputSource,
  Thread,
  TokenUsage,
} from '@singletree/harness';

export type ModelCall = Extract<HarnessEventBody, { kind: 'model.call' }>;

/** Reads the fake agent's output. `cumulative`: its figures are running totals of the session, which the baseline cuts off at the front. */
export function fakeDecoder(source: OutputSource, baseline: Baseline | undefined, cumulative: boolean): Decoder {
  if (source === 'stderr') return silentDecoder();
  let total = tokensOf(objectOf(baseline?.data['total']));
  return lineDecoder(source, (line) => {
    const body = line['type'] === 'call' ? call(line) : eventOf(line);
    if (!cumulative || body?.kind !== 'model.call' || body.provisional) return body && [body];
    const usage = subtractTokens(body.usage, total);
    total = body.usage;
    return [{ ...body, usage }];
  });
}

function call(line: JsonObject): ModelCall | undefined {
  const callId = stringOf(line['id']);
  const costUsd = amountOf(line['costUsd']);
  if (callId === undefined) return undefined;
  return defined({
    kind: 'model.call' as const,
    callId,
    thread: threadOf(line),
    model: stringOf(line['model']),
    usage: isJsonObject(line['usage']) ? tokensOf(line['usage']) : {},
    provisional: isJsonObject(line['usage']) ? undefined : true,
    costUsdMicros: costUsd === undefined ? undefined : Math.round(costUsd * 1e6),
  });
}

/** Every kind, because the fake agent leaves away what is 0. */
function tokensOf(usage: JsonObject): TokenUsage {
  return {
    uncachedInputTokens: countOf(usage['input']) ?? 0,
    cacheReadInputTokens: countOf(usage['cacheRead']) ?? 0,
    cacheWriteInputTokens: countOf(usage['cacheWrite']) ?? 0,
    outputTokens: countOf(usage['output']) ?? 0,
    reasoningOutputTokens: countOf(usage['reasoning']) ?? 0,
  };
}

function eventOf(line: JsonObject): HarnessEventBody | undefined {
  const text = (key: string): string => stringOf(line[key]) ?? '';
  switch (line['type']) {
    case 'session':
      return { kind: 'session.started', sessionId: text('session'), model: text('model'), harnessVersion: text('version') };
    case 'text':
      return { kind: 'text', thread: threadOf(line), text: text('text') };
    case 'tool_started':
      return defined({
        kind: 'tool.started' as const,
        thread: threadOf(line),
        toolId: text('id'),
        tool: text('tool'),
        summary: text('summary'),
        inputDigest: digest(line['input']),
      });
    case 'tool_finished':
      return defined({
        kind: 'tool.finished' as const,
        thread: threadOf(line),
        toolId: text('id'),
        tool: text('tool'),
        failed: line['failed'] === true,
        summary: text('output'),
        outputDigest: digest(line['output']),
      });
    case 'file': {
      const change = changes.find((known) => known === line['change']);
      return change && { kind: 'file.changed', path: text('path'), change };
    }
    case 'retry':
      return defined({
        kind: 'model.retried' as const,
        reason: text('reason'),
        status: countOf(line['status']),
        delayMs: countOf(line['delayMs']),
      });
    case 'rate_limit':
      return defined({ kind: 'rate.limited' as const, resetsAtMs: countOf(line['resetsAtMs']), message: stringOf(line['message']) });
    case 'permission_denied':
      return { kind: 'permission.denied', tool: text('tool'), message: text('message') };
    case 'compaction':
      return defined({ kind: 'compaction' as const, tokensBefore: countOf(line['before']), tokensAfter: countOf(line['after']) });
    case 'subagent_started':
      return defined({ kind: 'subagent.started' as const, subagent: text('id'), name: stringOf(line['name']) });
    case 'subagent_ended':
      return { kind: 'subagent.ended', subagent: text('id') };
    case 'result':
      return defined({ kind: 'ended' as const, evidence: evidenceOf(line), pending: countOf(line['pending']) });
    default:
      return undefined;
  }
}

/** The model calls in a session file, whose lines for them look as in the output. A last line that a kill cut off is left out. */
export function callsIn(sessionFile: Uint8Array): readonly ModelCall[] {
  return fakeDecoder('stdout', undefined, false)
    .push(sessionFile)
    .flatMap((event) => (event.kind === 'model.call' ? event : []));
}

function evidenceOf(line: JsonObject): EndEvidence {
  const reason = reasons.find((known) => known === line['reason']);
  const result: EndEvidence['result'] = line['interrupted'] === true ? 'interrupted' : line['isError'] === true ? 'failed' : 'completed';
  return defined({ result, reason, message: stringOf(line['message']) });
}

function threadOf(line: JsonObject): Thread {
  const subagent = stringOf(line['thread']);
  return subagent === undefined ? 'main' : { subagent };
}

const changes = ['added', 'modified', 'deleted'] as const;

const reasons: readonly EndReason[] = [
  'unauthenticated',
  'rate_limited',
  'quota_exhausted',
  'transient_api_error',
  'context_exhausted',
  'turn_limit',
  'cost_limit',
  'permission_denied',
  'invalid_configuration',
];
