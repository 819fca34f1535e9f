import { readFileSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { Code, ConnectError, createClient, type Interceptor, type Transport } from '@connectrpc/connect';
import * as node from '@connectrpc/connect-node';
import * as web from '@connectrpc/connect-web';
import { ErrorInfoSchema, TaskService } from '@singletree/protocol';
import type { MatrixTarget } from '../daemon.ts';
import type { MatrixClient, Open } from './client.ts';

/** connect-es for Node: all three protocols. */
export const openConnectNode: Open = ({ protocol, transport }, target) => {
  const isOne = transport.endsWith(' h1');
  const interceptors = bearing(target);
  const path = socketOf(target);
  const baseUrl = path === undefined ? target.address : 'http://localhost';
  const ca = target.ca_file === undefined ? {} : { ca: readFileSync(target.ca_file) };
  if (isOne) {
    const nodeOptions = { ...ca, ...(path === undefined ? {} : { socketPath: path }) };
    const options = { baseUrl, interceptors, httpVersion: '1.1' as const, nodeOptions };
    return clientOf(protocol === 'connect' ? node.createConnectTransport(options) : node.createGrpcWebTransport(options));
  }
  // Node counts what it has not sent of a request that was refused early for as long as the session lives, and of 10 MB takes no more requests.
  const nodeOptions = { maxSessionMemory: 1_000, ...ca, ...(path === undefined ? {} : { createConnection: () => connectSocket(path) }) };
  const sessionManager = new node.Http2SessionManager(baseUrl, {}, nodeOptions);
  const options = { baseUrl, interceptors, httpVersion: '2' as const, sessionManager };
  const make = { connect: node.createConnectTransport, grpc: node.createGrpcTransport, 'grpc-web': node.createGrpcWebTransport }[protocol];
  return clientOf(make(options), () => sessionManager.abort());
};

/** connect-es for browsers, with Node's fetch. */
export const openConnectWeb: Open = ({ protocol }, target) => {
  const options = { baseUrl: target.address, interceptors: bearing(target) };
  return clientOf(protocol === 'connect' ? web.createConnectTransport(options) : web.createGrpcWebTransport(options));
};

function bearing({ token }: MatrixTarget): Interceptor[] {
  if (token === undefined) return [];
  return [
    (next) => (request) => {
      request.header.set('authorization', `Bearer ${token}`);
      return next(request);
    },
  ];
}

function socketOf({ address }: MatrixTarget): string | undefined {
  return address.startsWith('unix:') ? address.slice('unix:'.length) : undefined;
}

function clientOf(transport: Transport, close: () => void = () => {}): MatrixClient {
  const tasks = createClient(TaskService, transport);
  return {
    getTask: (taskId) => tasks.getTask({ taskId }),
    createTask: (request) => tasks.createTask(request),
    watchTask: (request, settings) => tasks.watchTask(request, settings),
    refused(error) {
      const connectError = ConnectError.from(error);
      // Connect spells this one otherwise.
      const code = connectError.code === Code.Canceled ? 'Cancelled' : (Code[connectError.code] ?? '');
      const word = code.replace(/(?<=.)[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
      return { code: word, infos: connectError.findDetails(ErrorInfoSchema) };
    },
    [Symbol.dispose]: close,
  };
}
