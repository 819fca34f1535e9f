import { describe, expect, test } from 'vitest';
import { DomainError } from '../errors.ts';
import { admit, Refusal, type Asked, type Destination, type Rules } from './gate.ts';

const destinations = new Map<string, Destination>([
  ['/unary', { scope: 'read', kind: 'unary' }],
  ['/stream', { scope: 'read', kind: 'server_streaming' }],
  ['/bidi', { scope: 'read', kind: 'bidi_streaming' }],
  ['/admin', { scope: 'admin', kind: 'unary' }],
  ['/page', { scope: 'read', kind: 'text' }],
]);
const rules: Rules = {
  hosts: new Set(['localhost:7470']),
  principal: ([token]) => {
    if (token === undefined) throw new DomainError('TOKEN_MISSING', 'none');
    return { name: token, scope: 'submit' };
  },
  destinations,
};
const asked: Asked = {
  method: 'POST',
  path: '/unary',
  httpVersion: '2.0',
  authorities: ['localhost:7470'],
  origins: [],
  contentTypes: ['application/json'],
  authorizations: ['me'],
};

function refused(set: Partial<Asked>, given: Rules = rules): readonly unknown[] {
  try {
    admit({ ...asked, ...set }, given);
  } catch (error) {
    if (error instanceof Refusal) return [error.error.reason, error.status, error.principal?.name];
    throw error;
  }
  return [];
}

describe('the gate', () => {
  test('lets in what is right', () => {
    expect(admit(asked, rules)).toEqual({ principal: { name: 'me', scope: 'submit' }, destination: { scope: 'read', kind: 'unary' } });
    expect(refused({ authorities: ['LOCALHOST:7470'] })).toEqual([]);
    expect(refused({ method: 'GET', path: '/page', contentTypes: [] })).toEqual([]);
  });

  test.each<[string, Partial<Asked>, readonly unknown[]]>([
    ['no host', { authorities: [] }, ['HOST_REFUSED', undefined, undefined]],
    ['another host', { authorities: ['evil.example:7470'] }, ['HOST_REFUSED', undefined, undefined]],
    ['another port', { authorities: ['localhost:1'] }, ['HOST_REFUSED', undefined, undefined]],
    ['a second host', { authorities: ['localhost:7470', 'evil.example'] }, ['HOST_REFUSED', undefined, undefined]],
    ['a page of the same name', { origins: ['http://localhost:7470'] }, ['ORIGIN_REFUSED', undefined, undefined]],
    ['a page without a name', { origins: ['null'] }, ['ORIGIN_REFUSED', undefined, undefined]],
    ['an empty origin', { origins: [''] }, ['ORIGIN_REFUSED', undefined, undefined]],
    ['nobody', { authorizations: [] }, ['TOKEN_MISSING', undefined, undefined]],
    ['nobody, on a path that is none', { authorizations: [], path: '/none' }, ['TOKEN_MISSING', undefined, undefined]],
    ['a path that is none', { path: '/none' }, ['NOT_SUPPORTED', 404, 'me']],
    ['another method', { method: 'GET' }, ['NOT_SUPPORTED', 405, 'me']],
    ['a page that is posted to', { path: '/page' }, ['NOT_SUPPORTED', 405, 'me']],
    ['no content type', { contentTypes: [] }, ['INVALID_REQUEST', 415, 'me']],
    ['two content types', { contentTypes: ['application/json', 'application/json'] }, ['INVALID_REQUEST', 415, 'me']],
    ['more than the scope allows', { path: '/admin' }, ['SCOPE_MISSING', undefined, 'me']],
    ['both ways over HTTP/1.1', { path: '/bidi', httpVersion: '1.1', contentTypes: ['application/grpc'] }, ['NOT_SUPPORTED', 505, 'me']],
  ])('refuses %s', (_, set, expected) => expect(refused(set)).toEqual(expected));

  test('asks for no host where no name leads', () => {
    const { hosts: _, ...socket } = rules;
    expect(refused({ authorities: ['tmp%2Fsingletree.sock'] }, socket)).toEqual([]);
    expect(refused({ authorities: [] }, socket)).toEqual([]);
    expect(refused({ origins: ['null'] }, socket)).toEqual(['ORIGIN_REFUSED', undefined, undefined]);
  });

  const both = [
    'application/grpc',
    'application/grpc+proto',
    'application/grpc+json',
    'application/grpc-web',
    'application/grpc-web+proto',
  ];
  const unary = [
    'application/json',
    'application/JSON',
    'application/json; charset=utf-8',
    'application/json;charset=utf8',
    'application/proto',
  ];
  const stream = ['application/connect+json', 'application/connect+json; charset=utf-8', 'application/connect+proto'];
  const neither = [
    '',
    'text/plain',
    'application/json; charset=latin1',
    'application/json, text/plain',
    'application/proto; charset=utf-8',
    'application/grpc+thrift',
    'application/grpc-web-text',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=application/json',
    ' application/json',
    'application/jsonx',
  ];
  test.each([
    ['/unary', [...both, ...unary], [...stream, ...neither]],
    ['/stream', [...both, ...stream], [...unary, ...neither]],
  ])('%s is asked in the content types that it answers', (path, right, wrong) => {
    expect(right.filter((type) => refused({ path, contentTypes: [type] }).length > 0)).toEqual([]);
    expect(wrong.filter((type) => refused({ path, contentTypes: [type] })[0] !== 'INVALID_REQUEST')).toEqual([]);
  });
});
