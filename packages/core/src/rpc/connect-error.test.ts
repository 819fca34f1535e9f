import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Code, ConnectError } from '@connectrpc/connect';
import { ErrorInfoSchema, ErrorReason } from '@singletree/protocol';
import { describe, expect, test } from 'vitest';
import { DomainError } from '../errors.ts';
import { isFault, toConnectError } from './connect-error.ts';

const sources = join(import.meta.dirname, '..');
const proto = readFileSync(join(sources, '../../../proto/singletree/v1/error.proto'), 'utf8');
/** What the proto file promises of each reason: its code is the first word of the comment above it. */
const promised = [...proto.matchAll(/^ {2}\/\/ (?<code>[A-Z_]+): .*(?:\n {2}\/\/ .*)*\n {2}ERROR_REASON_(?<reason>\w+) = \d+;/gm)].map(
  ({ groups }) => ({ reason: groups!['reason']!, code: groups!['code']! }),
);

/** Reasons that no call is ever answered with in these words: they keep the daemon from starting, or end it. */
const neverAnswered = [
  /^INVALID_CONFIGURATION$/,
  /^CONTAINMENT_UNAVAILABLE$/,
  /^LISTEN_REFUSED$/,
  /^STATE_FOLDER_\w+$/,
  /^STORE_(NEWER|FOREIGN|ALTERED|UNSUPPORTED|FAILED)$/,
];

describe('every reason', () => {
  test('of the wire is promised with a code', () => {
    expect(promised.map(({ reason }) => reason).sort()).toEqual(
      Object.keys(ErrorReason)
        .filter((name) => isNaN(Number(name)) && name !== 'UNSPECIFIED')
        .sort(),
    );
  });

  test.each(promised)('$reason is answered as $code, with one ErrorInfo', ({ reason, code }) => {
    const error = toConnectError(new DomainError(reason, 'what is wrong', { hint: 'what would be right', metadata: { where: 'here' } }));
    expect(error).toBeInstanceOf(ConnectError);
    expect(Code[error.code].replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase()).toBe(code);
    expect(error.rawMessage).toBe('what is wrong');
    const infos = error.findDetails(ErrorInfoSchema);
    expect(infos).toMatchObject([{ reason, domain: 'singletree', metadata: { where: 'here', hint: 'what would be right' } }]);
    expect(error.details).toHaveLength(1);
  });

  test('that the code can give is one of the wire, or keeps the daemon from starting', () => {
    const files = globSync('**/*.ts', { cwd: sources, exclude: ['**/*.test.ts', '**/*.testsuite.ts'] });
    const text = files.map((file) => readFileSync(join(sources, file), 'utf8')).join('\n');
    // Thrown by name, or listed in the type of a class of errors.
    const thrown = [...text.matchAll(/(?:new \w+|super)\(\s*'(?<reason>[A-Z]{2,}(?:_[A-Z]+)*)'/g)].map(({ groups }) => groups!['reason']!);
    const listed = [...text.matchAll(/(?:reason:|^ {2}\|) (?<reasons>'[A-Z_]+'(?: \| '[A-Z_]+')*)[,;]?$/gm)].flatMap(({ groups }) =>
      groups!['reasons']!.replaceAll("'", '').split(' | '),
    );
    const given = new Set([...thrown, ...listed]);
    for (const expected of [
      'INTERNAL',
      'TASK_NOT_FOUND',
      'REQUEST_ID_REUSED',
      'STORAGE_FULL',
      'STATE_FOLDER_IN_USE',
      'STORE_NEWER',
      'GIT_TOO_OLD',
    ]) {
      expect(given, 'the scan finds reasons however they are written').toContain(expected);
    }
    const known = new Set(promised.map(({ reason }) => reason));
    const others = [...given].filter((reason) => !known.has(reason) && !neverAnswered.some((pattern) => pattern.test(reason)));
    expect(others).toEqual([]);
  });
});

describe('an error that is no refusal of ours', () => {
  test.each<[string, unknown, Code, string, string, boolean]>([
    [
      'a bug',
      new TypeError('x is not a function at /home/me'),
      Code.Internal,
      'INTERNAL',
      'a fault of the daemon; its log says more',
      true,
    ],
    ['no error at all', 'oops', Code.Internal, 'INTERNAL', 'a fault of the daemon; its log says more', true],
    [
      'a reason that the wire lacks',
      new DomainError('STORE_NEWER', 'schema 7 of /var/singletree.db'),
      Code.Internal,
      'INTERNAL',
      'a fault of the daemon; its log says more',
      true,
    ],
    [
      'a fault that says so',
      new DomainError('INTERNAL', 'every try met a conflict'),
      Code.Internal,
      'INTERNAL',
      'every try met a conflict',
      true,
    ],
    [
      'a store that has failed',
      new DomainError('STORE_FAILED', 'disk I/O error'),
      Code.Unavailable,
      'SHUTTING_DOWN',
      'disk I/O error',
      false,
    ],
    [
      'a lack of descriptors',
      new Error('cannot start git', { cause: Object.assign(new Error('spawn git EMFILE'), { code: 'EMFILE' }) }),
      Code.ResourceExhausted,
      'MACHINE_EXHAUSTED',
      'the daemon may open no more files (EMFILE); try again later',
      true,
    ],
    ['a refusal', new DomainError('TASK_NOT_FOUND', 'there is no task'), Code.NotFound, 'TASK_NOT_FOUND', 'there is no task', false],
    [
      'a procedure that does not exist',
      new ConnectError('no such procedure', Code.Unimplemented),
      Code.Unimplemented,
      'NOT_SUPPORTED',
      'no such procedure',
      false,
    ],
    ['the end of the server', new ConnectError('closing', Code.Unavailable), Code.Unavailable, 'SHUTTING_DOWN', 'closing', false],
    [
      'a request that cannot be read',
      new ConnectError('bad JSON', Code.InvalidArgument),
      Code.InvalidArgument,
      'INVALID_REQUEST',
      'bad JSON',
      false,
    ],
    [
      'a request that is too large',
      new ConnectError('too large', Code.ResourceExhausted),
      Code.ResourceExhausted,
      'REQUEST_TOO_LARGE',
      'the request is larger than 4 MiB',
      false,
    ],
  ])('%s', (_, error, code, reason, message, fault) => {
    const answer = toConnectError(error);
    expect([answer.code, answer.rawMessage]).toEqual([code, message]);
    expect(answer.findDetails(ErrorInfoSchema)).toMatchObject([{ reason, metadata: {} }]);
    expect(isFault(error)).toBe(fault);
    expect(toConnectError(answer), 'an answer stays as it is').toBe(answer);
  });
});
