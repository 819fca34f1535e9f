import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { CostSource, ModelCallSchema, type ModelCall } from '@singletree/protocol';
import type { LedgerEntry } from '../../task/ledger.ts';
import { enumOf } from '../words.ts';
import { count, opt, usageToProto } from './parts.ts';

/** An entry of the usage ledger as clients see it. */
export function modelCallToProto(entry: LedgerEntry): ModelCall {
  return create(ModelCallSchema, {
    attempt: entry.attempt,
    ...opt('callId', entry.callId),
    ...opt('subagentId', entry.subagent),
    compaction: entry.compaction === true,
    ...opt('model', entry.model),
    ...opt('at', entry.at, timestampFromMs),
    usage: usageToProto({ ...entry, lowerBound: entry.provisional === true || entry.provenance === 'missing' }),
    ...count('costUsdMicros', entry.costUsdMicros),
    ...opt('costSource', entry.costSource, (word) => enumOf(CostSource, word)),
    provisional: entry.provisional === true,
  });
}
