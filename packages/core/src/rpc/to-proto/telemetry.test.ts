import { expect, test } from 'vitest';
import { previewToProto, type RecordFacts } from './telemetry.ts';

test.each<[string, RecordFacts[], string | undefined]>([
  [
    'its own destination',
    [
      { destination: 'otlp', target: 'http://a' },
      { destination: 'lab', target: 'http://b', state: 'pending' },
    ],
    'http://b',
  ],
  ['where it would go', [{ destination: 'otlp', target: 'http://a' }, { state: 'undirected' }], 'http://a'],
  ['nowhere', [{ state: 'undirected' }], undefined],
])('beside the state of a record stands the address of %s', (_, records, endpoint) => {
  expect(previewToProto('id', { otlp: new Uint8Array(), frozen: true, records }).endpoint).toBe(endpoint);
});
