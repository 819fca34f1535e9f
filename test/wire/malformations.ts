import { gzipSync } from 'node:zlib';
import { Code } from '@connectrpc/connect';
import { envelope, type RawRequest } from '../support/raw-http.ts';

/** A request that is wrong in one way, and the codes that say so. */
export interface Malformed {
  readonly what: string;
  readonly request: RawRequest;
  readonly codes: readonly Code[];
}

const { InvalidArgument, Unimplemented, ResourceExhausted } = Code;

/** What is drawn at random. */
class Lot {
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** A whole number from `least` to `most`. */
  number(least: number, most: number): number {
    return least + Math.floor(this.#random() * (most - least + 1));
  }

  one<T>(list: readonly [T, ...T[]]): T {
    return list[this.number(0, list.length - 1)] ?? list[0];
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.number(0, 255)));
  }
}

const service = '/singletree.v1.TaskService';
const taskId = '01890000-0000-7000-8000-000000000000';
/** Field 1 of GetTaskRequest and WatchTaskRequest. */
const getTaskBytes = Buffer.concat([Buffer.from([0x0a, taskId.length]), Buffer.from(taskId)]);
const json = JSON.stringify({ taskId });
const oversize = 4 * 1024 * 1024 + 1;
const bomb = gzipSync(Buffer.alloc(8 * 1024 * 1024));

/** How a request is framed in each protocol, around a message that is right or wrong. */
const frames = {
  'connect json': (message: Uint8Array | string, headers = {}): RawRequest => ({
    path: `${service}/GetTask`,
    headers: { 'content-type': 'application/json', 'connect-protocol-version': '1', ...headers },
    body: message,
  }),
  'connect proto': (message: Uint8Array | string, headers = {}): RawRequest => ({
    path: `${service}/GetTask`,
    headers: { 'content-type': 'application/proto', 'connect-protocol-version': '1', ...headers },
    body: message,
  }),
  'connect stream': (message: Uint8Array | string, headers = {}): RawRequest => ({
    path: `${service}/WatchTask`,
    headers: { 'content-type': 'application/connect+proto', 'connect-protocol-version': '1', ...headers },
    body: envelope(message),
  }),
  grpc: (message: Uint8Array | string, headers = {}): RawRequest => ({
    path: `${service}/GetTask`,
    headers: { 'content-type': 'application/grpc', te: 'trailers', ...headers },
    body: envelope(message),
  }),
  'grpc stream': (message: Uint8Array | string, headers = {}): RawRequest => ({
    path: `${service}/WatchTask`,
    headers: { 'content-type': 'application/grpc+proto', te: 'trailers', ...headers },
    body: envelope(message),
  }),
  'grpc-web': (message: Uint8Array | string, headers = {}): RawRequest => ({
    path: `${service}/GetTask`,
    headers: { 'content-type': 'application/grpc-web+proto', 'x-grpc-web': '1', ...headers },
    body: envelope(message),
  }),
} as const;

type Frame = keyof typeof frames;
const binary: readonly [Frame, ...Frame[]] = ['connect proto', 'connect stream', 'grpc', 'grpc stream', 'grpc-web'];
const enveloped: readonly [Frame, ...Frame[]] = ['connect stream', 'grpc', 'grpc stream', 'grpc-web'];
const all: readonly [Frame, ...Frame[]] = ['connect json', ...binary];

const encodingHeader: Readonly<Record<Frame, string>> = {
  'connect json': 'content-encoding',
  'connect proto': 'content-encoding',
  'connect stream': 'connect-content-encoding',
  grpc: 'grpc-encoding',
  'grpc stream': 'grpc-encoding',
  'grpc-web': 'grpc-encoding',
};

const rightMessage = (frame: Frame): Uint8Array | string => (frame === 'connect json' ? json : getTaskBytes);

/** One envelope whose flag says that it is compressed; bodies of Connect's unary calls have none. */
function compressed(frame: Frame, bytes: Uint8Array, encoding: string): RawRequest {
  const { body, ...rest } = frames[frame](bytes, { [encodingHeader[frame]]: encoding });
  return { ...rest, body: enveloped.includes(frame) ? envelope(bytes, 1) : (body ?? '') };
}

/** Each kind makes as many as are asked for, none like the other where there is anything to draw. */
const kinds: readonly ((lot: Lot) => Malformed)[] = [
  (lot) => {
    const length = lot.number(0, json.length - 1);
    return {
      what: `JSON that ends after ${length} bytes`,
      request: frames['connect json'](json.slice(0, length)),
      codes: [InvalidArgument],
    };
  },
  (lot) => {
    const text = lot.one([
      '{"taskId": 5}',
      '{"taskId": ["x"]}',
      '[]',
      'null',
      '"text"',
      '{"taskId": {"a": 1}}',
      '{"__proto__": {"taskId": "x"}}',
      '{"taskId": "\\ud800"}',
      '['.repeat(lot.number(1_000, 20_000)),
      `{"taskId": ${'{"a":'.repeat(3_000)}1${'}'.repeat(3_000)}}`,
      '{"taskId": true}',
      '{"task_id": 1e400}',
      `{"taskId": "${'x'.repeat(lot.number(37, 9_000))}"}`,
    ]);
    return { what: `JSON of another shape: ${text.slice(0, 40)}`, request: frames['connect json'](text), codes: [InvalidArgument] };
  },
  (lot) => {
    const at = lot.number(12, 40);
    const bytes = Buffer.from(json);
    bytes[at] = 0xff;
    return { what: `JSON that is no UTF-8 at byte ${at}`, request: frames['connect json'](bytes), codes: [InvalidArgument] };
  },
  (lot) => {
    const frame = lot.one(binary);
    const message = lot.one<Buffer>([
      Buffer.from([0x0a]),
      Buffer.from([0x0a, 0x7f, 0x61]),
      Buffer.from([0x0a, 0x05, 0x61, 0xff, 0xfe, 0x62, 0x63]),
      Buffer.from([0x0f]),
      Buffer.from([0x00, 0x01]),
      Buffer.from([0x0c]),
      Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
      Buffer.concat([Buffer.from([0x0a, 0x40]), lot.bytes(lot.number(1, 60))]),
    ]);
    return { what: `${frame}: protobuf ${message.toString('hex')}`, request: frames[frame](message), codes: [InvalidArgument] };
  },
  (lot) => {
    const frame = lot.one(enveloped);
    const whole = envelope(getTaskBytes);
    const body = whole.subarray(0, lot.number(1, whole.length - 1));
    return {
      what: `${frame}: a frame cut at ${body.length}`,
      request: { ...frames[frame](''), body },
      codes: [InvalidArgument, Unimplemented],
    };
  },
  (lot) => {
    const frame = lot.one(enveloped);
    const body = Buffer.from(envelope(getTaskBytes));
    const length = lot.one([getTaskBytes.length + lot.number(1, 1_000), 0xffff_ffff, lot.number(oversize, 0xffff_fffe)]);
    body.writeUInt32BE(length, 1);
    const codes = length < oversize ? [InvalidArgument] : [ResourceExhausted];
    return { what: `${frame}: a frame that claims ${length} bytes`, request: { ...frames[frame](''), body }, codes };
  },
  (lot) => {
    const frame = lot.one(enveloped);
    const body = lot.one<Buffer>([Buffer.alloc(0), Buffer.concat([envelope(getTaskBytes), envelope(getTaskBytes)])]);
    const request = { ...frames[frame](''), body };
    return { what: `${frame}: ${body.length === 0 ? 'no message' : 'two messages'}`, request, codes: [InvalidArgument, Unimplemented] };
  },
  (lot) => {
    const frame = lot.one(enveloped);
    const request = { ...frames[frame](''), body: envelope(getTaskBytes, 1) };
    return { what: `${frame}: compressed without saying how`, request, codes: [InvalidArgument] };
  },
  (lot) => {
    const frame = lot.one(all);
    const encoding = lot.one(['lzw', 'zstd', 'deflate', 'gzip, br', '*', '']);
    const request = frames[frame](rightMessage(frame), { [encodingHeader[frame]]: encoding });
    return { what: `${frame}: unknown compression "${encoding}"`, request, codes: [Unimplemented] };
  },
  (lot) => {
    const frame = lot.one(all);
    const bytes = lot.one([lot.bytes(lot.number(1, 200)), gzipSync(getTaskBytes).subarray(0, lot.number(1, 20)), Buffer.from('{}')]);
    const encoding = lot.one(['gzip', 'br']);
    return {
      what: `${frame}: no ${encoding}: ${bytes.toString('hex').slice(0, 30)}`,
      request: compressed(frame, bytes, encoding),
      codes: [InvalidArgument],
    };
  },
  (lot) => {
    const frame = lot.one(all);
    return {
      what: `${frame}: 8 MiB in ${bomb.length} bytes of gzip`,
      request: compressed(frame, bomb, 'gzip'),
      codes: [ResourceExhausted],
    };
  },
  (lot) => {
    const frame = lot.one(all);
    const isGrpc = frame.startsWith('grpc');
    const timeout = isGrpc
      ? lot.one(['5x', '123456789S', 'S', '-1S', '1.5S', '5', 'soon', '1 S', '99999999H'])
      : lot.one(['abc', '-1', '1e3', '12345678901', '1.5', '0x10', '9999999999']);
    const request = frames[frame](rightMessage(frame), { [isGrpc ? 'grpc-timeout' : 'connect-timeout-ms']: timeout });
    return { what: `${frame}: a deadline of "${timeout}"`, request, codes: [InvalidArgument] };
  },
  (lot) => {
    const frame = lot.one<Frame>(['connect json', 'connect proto', 'connect stream']);
    const { 'connect-protocol-version': version, ...headers } = frames[frame]('').headers as Record<string, string>;
    const wrong = lot.one<Record<string, string>>([
      {},
      { 'connect-protocol-version': '2' },
      { 'connect-protocol-version': `${version}.0` },
    ]);
    const request = { ...frames[frame](rightMessage(frame)), headers: { ...headers, ...wrong } };
    return { what: `${frame}: version ${JSON.stringify(wrong)}`, request, codes: [InvalidArgument] };
  },
  (lot) => {
    const type = lot.one([
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/grpc+thrift',
      'application/grpc-web-text',
      'application/json; charset=latin1',
      'application/connect+json',
      'application/jsonp',
      'application/proto; charset=utf-8',
      'application/json, application/json',
      'APPLICATION',
      'application/',
      '',
    ]);
    const { headers, ...rest } = frames['connect json'](json);
    return {
      what: `content type "${type}"`,
      request: { ...rest, headers: { ...headers, 'content-type': type } },
      codes: [InvalidArgument],
    };
  },
  (lot) => {
    const frame = lot.one(all);
    const method = lot.one(['GET', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE', 'PROPFIND']);
    const { body, ...rest } = frames[frame](rightMessage(frame));
    const request = method === 'GET' || method === 'TRACE' ? { ...rest, method } : { ...rest, method, body: body ?? '' };
    return { what: `${frame}: ${method}`, request, codes: [Unimplemented] };
  },
  (lot) => {
    const frame = lot.one(all);
    const path = lot.one([
      '/',
      '/nope',
      `${service}/`,
      `${service}/gettask`,
      `${service}/GetTask/`,
      `/${service}/GetTask`,
      `${service}//GetTask`,
      `${service}/%47etTask`,
      `/..${service}/GetTask`,
      `/singletree.v2.TaskService/GetTask`,
      `${service}/__proto__`,
      `/${'x'.repeat(lot.number(1, 8_000))}`,
      `${service}/GetTask;x=1`,
      '/metrics',
    ]);
    return {
      what: `${frame}: path ${path.slice(0, 60)}`,
      request: { ...frames[frame](rightMessage(frame)), path },
      codes: [Unimplemented],
    };
  },
  (lot) => {
    const frame = lot.one(binary);
    const message = Buffer.concat([Buffer.from([instructionsField, 3]), Buffer.from([0x61, 0xff, 0x62])]);
    const request = { ...frames[frame](message), path: `${service}/${frame.endsWith('stream') ? 'ReadLogs' : 'CreateTask'}` };
    return { what: `${frame}: a text that is no UTF-8`, request, codes: [InvalidArgument] };
  },
  (lot) => {
    const frame = lot.one(all);
    const origin = lot.one(['null', 'http://localhost', 'https://evil.example', 'file://']);
    const request = frames[frame](rightMessage(frame), { origin });
    // Many of them over TCP are throttled.
    return { what: `${frame}: from a page of ${origin}`, request, codes: [Code.PermissionDenied, ResourceExhausted] };
  },
];

const instructionsField = 0x1a;

/** So many requests, of every kind in turn. */
export function malformations(count: number, random: () => number): readonly Malformed[] {
  const lot = new Lot(random);
  return Array.from({ length: count }, (_, index) => kinds[index % kinds.length]?.(lot)).filter((each) => each !== undefined);
}

/** Larger than what is read, in each protocol: few, since they are many bytes. */
export function oversized(): readonly Malformed[] {
  const message = Buffer.alloc(oversize, 0x20);
  return all.map((frame) => ({ what: `${frame}: ${oversize} bytes`, request: frames[frame](message), codes: [ResourceExhausted] }));
}

/** Right ones, by which it is seen that the others were wrong in what they say. */
export function wellFormed(): readonly { readonly what: Frame; readonly request: RawRequest }[] {
  return all.map((frame) => ({ what: frame, request: frames[frame](rightMessage(frame)) }));
}
