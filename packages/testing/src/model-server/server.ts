import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { text as textOf } from 'node:stream/consumers';
import { anthropic } from './anthropic.ts';
import { chat } from './chat.ts';
import { createGates } from './gates.ts';
import { readRequest } from './request.ts';
import { checkReply, openScript } from './script.ts';
import { responses } from './responses.ts';
import { recorder, send } from './send.ts';
import type { Encoder } from './frame.ts';
import type { ModelRequest, Protocol } from './request.ts';
import type { Reply, Step } from './script.ts';
import type { ServedCall, StepNumber } from './send.ts';

export interface ModelServerOptions {
  /** Default: any free one. */
  readonly port?: number;
  /** The answer to requests without tools that no step takes. Default: the text "side reply". */
  readonly side?: Reply;
  /** The key that a client must show, as `x-api-key` or bearer token; others get 401. Absent: any key, or none, will do. */
  readonly apiKey?: string;
}

export interface LoggedRequest extends ModelRequest {
  readonly step: StepNumber;
}

export interface ModelServer extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`: Anthropic clients take this, OpenAI clients this with `/v1`. */
  readonly url: string;
  readonly port: number;
  /** Every request in the order in which it was complete, those that are still being answered included. Grows while you look. */
  readonly requests: readonly LoggedRequest[];
  /** Every answer that told a usage. Grows while you look. */
  readonly served: readonly ServedCall[];
  /** Lets the requests go that wait at the steps with this `hold`, those to come included. */
  release(hold: string): void;
  /** Resolves when the first request waits at the steps with this `hold`. */
  arrived(hold: string): Promise<void>;
  /** Breaks off every connection and frees the port. */
  close(): Promise<void>;
}

const encoders: Readonly<Record<Protocol, Encoder>> = { anthropic, responses, chat };

/**
 * Starts a model on loopback that answers by a script, in three protocols: Anthropic Messages, OpenAI Responses and OpenAI Chat
 * Completions, streamed or whole, at the paths where clients look for them. A request that no step fits gets an error 400 that
 * says so. The script is checked and copied first: what is served is what the script said at the start, and `served` is read
 * from the frames as they are written.
 */
export async function startModelServer(steps: readonly Step[], options: ModelServerOptions = {}): Promise<ModelServer> {
  const script = openScript(steps);
  const side = checkReply(options.side ?? { text: 'side reply' }, 'the side reply');
  const gates = createGates(new Set([...script.holds, ...(side.hold === undefined ? [] : [side.hold])]));
  const requests: LoggedRequest[] = [];
  const served: ServedCall[] = [];
  const unique = randomUUID().slice(0, 8);
  let lastId = 0;
  const id = (prefix: string): string => `${prefix}_${unique}${String(++lastId).padStart(6, '0')}`;

  async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: path = '', headers } = incoming;
    const request = readRequest({ method, path, headers, raw: await textOf(incoming), at: Date.now() });
    const log = (step: StepNumber): void => void requests.push(Object.freeze({ ...request, step }));
    const { protocol } = request;
    if (protocol === 'count_tokens' || protocol === 'other') {
      log('none');
      return answerOther(request, response);
    }
    const encoder = encoders[protocol];
    const refuse = (status: number, message: string, reply?: Reply): void =>
      sendJson(response, status, reply?.errorBody ?? encoder.errorBody(status, message), { 'request-id': id('req'), ...reply?.headers });
    if (options.apiKey !== undefined && ![headers['x-api-key'], headers.authorization?.replace(/^Bearer /, '')].includes(options.apiKey)) {
      log('none');
      return refuse(401, 'this is not the key that the model server was started with');
    }
    const taken = script.take(request) ?? (request.side ? { number: 'side' as const, reply: side } : undefined);
    log(taken?.number ?? 'none');
    if (!taken) return refuse(400, `no step of the script fits this request, or those that fit are used up (${steps.length} steps)`);

    const { reply, number: step } = taken;
    if (reply.hold !== undefined) await gates.pass(reply.hold);
    if (reply.delayMs !== undefined) await sleep(reply.delayMs);
    if (reply.cut === 'before') return void response.destroy();
    if (reply.hang === 'before') return;
    if (reply.status !== undefined) return refuse(reply.status, `scripted ${reply.status}`, reply);
    if (reply.sseError && !request.stream) return refuse(529, reply.sseError.message, reply);
    const call = { model: request.model, id };
    response.writeHead(200, {
      'content-type': request.stream ? 'text/event-stream' : 'application/json',
      'cache-control': 'no-cache',
      'request-id': id('req'),
      ...reply.headers,
    });
    await send(response, encoder, reply, call, request.stream, recorder(served, { step, protocol, model: request.model }));
  }

  const server = createServer((incoming, response) => {
    answer(incoming, response).catch((error: unknown) => {
      // A client that went away while it was read or written is no fault of the script; a predicate that throws is.
      if (!response.headersSent && !response.destroyed)
        sendJson(response, 400, { error: { message: `the script failed: ${String(error)}` } }, {});
    });
  });
  // What a client gets that asks for a web socket: it falls back to plain HTTP.
  server.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'));
  const port = await listen(server, options.port ?? 0);
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { ...gates, url: `http://127.0.0.1:${port}`, port, requests, served, close, [Symbol.asyncDispose]: close };
}

function answerOther({ protocol, method, path, text }: ModelRequest, response: ServerResponse): void {
  // Four characters a token: the rule of thumb is good enough for a client that only wants to know whether it fits.
  if (protocol === 'count_tokens') return sendJson(response, 200, { input_tokens: Math.ceil(text.length / 4) }, {});
  if (/\/models(\?|$)/.test(path)) return sendJson(response, 200, { object: 'list', data: [], models: [] }, {});
  return sendJson(response, 404, { error: { message: `the model server does not serve ${method} ${path}` } }, {});
}

function sendJson(response: ServerResponse, status: number, body: unknown, headers: Readonly<Record<string, string>>): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

function listen(server: ReturnType<typeof createServer>, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('a server on TCP has a port');
      resolve(address.port);
    });
  });
}
