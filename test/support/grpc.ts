import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { Client, credentials, Metadata, type CallOptions, type ServiceError } from '@grpc/grpc-js';
import { ErrorInfoSchema, StatusSchema, type ErrorInfo } from '@singletree/protocol';

/** A stock gRPC client: Google's own stack for Node, with the messages of the proto files and nothing else of ours. */
export class GrpcClient implements Disposable {
  readonly #client: Client;
  readonly #metadata = new Metadata();

  /**
   * `unix:` and the path of a socket, as grpc-js and the daemon's address file both write it, or a host and a port; with TLS if an authority is
   * named. `metadata` goes with each call.
   */
  constructor(
    address: string,
    {
      ca,
      token,
      metadata = {},
    }: { readonly ca?: Buffer | undefined; readonly token?: string | undefined; readonly metadata?: Readonly<Record<string, string>> } = {},
  ) {
    this.#client = new Client(address, ca === undefined ? credentials.createInsecure() : credentials.createSsl(ca));
    if (token !== undefined) this.#metadata.set('authorization', `Bearer ${token}`);
    for (const [name, value] of Object.entries(metadata)) this.#metadata.set(name, value);
  }

  /** Rejects with the `ServiceError` of grpc-js. */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions = {},
  ): Promise<MessageShape<O>> {
    return new Promise((resolve, reject) => {
      const [path, serialize, deserialize] = wireOf(method);
      const message = create(method.input, request);
      this.#client.makeUnaryRequest(path, serialize, deserialize, message, this.#metadata, options, (error, answer) =>
        answer === undefined ? reject(error ?? new Error('neither answer nor error')) : resolve(answer),
      );
    });
  }

  /** The bytes are sent as they are, whatever they mean. */
  callRaw(method: DescMethodUnary, bytes: Uint8Array): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const [path, , deserialize] = wireOf(method);
      this.#client.makeUnaryRequest(
        path,
        (raw: Uint8Array) => Buffer.from(raw),
        deserialize,
        bytes,
        this.#metadata,
        (error, answer) => (error ? reject(error) : resolve(answer)),
      );
    });
  }

  stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions = {},
  ): AsyncIterable<MessageShape<O>> & { cancel(): void } {
    const [path, serialize, deserialize] = wireOf(method);
    return this.#client.makeServerStreamRequest(path, serialize, deserialize, create(method.input, request), this.#metadata, options);
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

function wireOf<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O> | DescMethodServerStreaming<I, O>,
): [path: string, serialize: (message: MessageShape<I>) => Buffer, deserialize: (bytes: Buffer) => MessageShape<O>] {
  return [
    `/${method.parent.typeName}/${method.name}`,
    (message) => Buffer.from(toBinary(method.input, message)),
    (bytes) => fromBinary(method.output, bytes),
  ];
}

/** The ErrorInfos that a gRPC error carries in its trailer. */
export function errorInfosOf(error: ServiceError): ErrorInfo[] {
  const [trailer] = (error.metadata ?? new Metadata()).get('grpc-status-details-bin');
  if (!Buffer.isBuffer(trailer)) return [];
  return fromBinary(StatusSchema, trailer)
    .details.map((detail) => anyUnpack(detail, ErrorInfoSchema))
    .filter((info) => info !== undefined);
}
