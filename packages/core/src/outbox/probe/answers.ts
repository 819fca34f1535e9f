import { asksForTls, type SendResult } from '../send/send.ts';
import type { Explanation, Subject } from './explain.ts';

type Refusal = Extract<SendResult, { readonly kind: 'misconfigured' | 'refused' }>;

/** What a receiver means that answered and did not take it. */
export function explainAnswer(subject: Subject, result: Refusal): Explanation {
  return { result: 'failed', ...(subject.to.protocol === 'grpc' ? byGrpc(subject, result) : byHttp(subject, result)) };
}

type Fault = Omit<Explanation, 'result'>;

function byHttp(subject: Subject, { status, error }: Refusal): Fault {
  const { set, host, to } = subject;
  // Servers of gRPC and of TLS say so themselves, under codes that mean something else.
  if (/expected `?h2\b/i.test(error)) return wrongProtocol(subject);
  if (asksForTls(error)) return tlsMissing(subject);
  switch (status) {
    case 401:
      return unauthenticated(subject);
    case 403:
      return forbidden(subject);
    case 404:
      return notFound(subject);
    case 405:
    case 415:
      return {
        fault: 'wrong_protocol',
        message: `${status}: what listens at ${host} does not take http/protobuf at this path`,
        mend: `give ${set.endpoint} the address of an OTLP receiver (usually port 4318), or set ${set.protocol('grpc')} with its gRPC port (usually 4317)`,
      };
    case 407:
      return {
        fault: 'proxy',
        message: `407: a proxy stands before ${host} and asks for credentials`,
        mend: 'send to a collector that is reached without a proxy',
      };
    case 413:
      return { fault: 'rejected', message: '413: even the small probe is too large for it', mend: `raise the limit for bodies at ${host}` };
  }
  if (status < 300) {
    return {
      fault: 'no_receiver',
      message: `${host} answers ${status} with a web page: that is no OTLP receiver, and what it "takes" is lost`,
      mend: `look at ${set.endpoint}: it may name a user interface, or a page to log in at; the receiver's port is usually 4318`,
    };
  }
  if (status < 400) {
    return {
      fault: 'wrong_path',
      message: `${status}: ${host} sends elsewhere, and a redirect is not followed with your telemetry`,
      mend: `set ${set.endpoint} to where its answer sends; often that is only https:// in place of http://`,
    };
  }
  const what = status < 500 ? 'does not take what was sent' : 'failed on it';
  return { fault: 'rejected', message: `${status}: the receiver ${what}`, mend: `its answer and its log say why; ${to.target} is reached` };
}

/** https://grpc.io/docs/guides/status-codes/ */
const grpcCodes = { permissionDenied: 7, unimplemented: 12, unauthenticated: 16 } as const;

function byGrpc(subject: Subject, { status, error }: Refusal): Fault {
  const { signal, set, host, to } = subject;
  const http = Number(/HTTP status(?: code)?:? (\d{3})/.exec(error)?.[1] ?? 0);
  if (http === 404 || http === 405 || http === 415) {
    return {
      fault: 'wrong_protocol',
      message: `${host} speaks HTTP/2, but answers gRPC with ${http}`,
      mend: `set ${set.protocol('http/protobuf')} (usually port 4318), or ${set.endpoint} to the gRPC port of a receiver (usually 4317)`,
    };
  }
  switch (status) {
    case grpcCodes.unauthenticated:
      return unauthenticated(subject);
    case grpcCodes.permissionDenied:
      return forbidden(subject);
    case grpcCodes.unimplemented:
      return {
        fault: 'wrong_path',
        message: `the gRPC server at ${host} has no service that takes ${signal}`,
        mend: `if it is a receiver of the other signal only, set ${set.off}; else set ${set.endpoint} to an OTLP receiver`,
      };
  }
  return {
    fault: 'rejected',
    message: 'the receiver does not take what was sent',
    mend: `its answer and its log say why; ${to.target} is reached`,
  };
}

function unauthenticated({ set, host }: Subject): Fault {
  return {
    fault: 'unauthenticated',
    message: `${host} does not know who sends: the credentials are missing or wrong`,
    mend: `set ${set.headers}, such as ${set.credentials}`,
  };
}

function forbidden({ set, host }: Subject): Fault {
  return {
    fault: 'forbidden',
    message: `${host} does not allow it with these credentials`,
    mend: `give the token in ${set.headers} the right to write telemetry, or use another one`,
  };
}

function notFound({ signal, set, host, to }: Subject): Fault {
  const { pathname = '' } = URL.parse(to.target) ?? {};
  const message = `404: nothing at ${host} takes telemetry at ${pathname}`;
  const path = `/v1/${signal}`;
  // Where the path is the usual one, a receiver that takes only the other signal is the likeliest.
  if (pathname === path && signal === 'metrics') {
    const mend = `a store of traces alone takes no metrics: set ${set.off}, or send to a collector; else look at ${set.endpoint}`;
    return { fault: 'wrong_path', message, mend };
  }
  const mend = pathname.endsWith(path)
    ? `look at host and port of ${set.endpoint}, and whether the receiver expects something before ${path}`
    : `an address for one signal is used as it is: let it end in ${path}, or set ${set.endpoint}, to which that is added`;
  return { fault: 'wrong_path', message, mend };
}

export function wrongProtocol({ to, set, host }: Subject): Fault {
  const [there, port] = to.protocol === 'grpc' ? (['http/protobuf', 4317] as const) : (['grpc', 4318] as const);
  return {
    fault: 'wrong_protocol',
    message: `${host} speaks ${to.protocol === 'grpc' ? 'HTTP/1.1, not gRPC' : 'gRPC (HTTP/2), not HTTP/1.1'}, and was spoken to by ${to.protocol}`,
    mend: `set ${set.protocol(there)}, or ${set.endpoint} to the receiver's port for ${to.protocol} (usually ${port})`,
  };
}

export function tlsMissing({ set, host }: Subject): Fault {
  return {
    fault: 'tls_missing',
    message: `${host} speaks TLS, and was spoken to without it`,
    mend: `let ${set.endpoint} begin with https://`,
  };
}
