import { tlsMissing, wrongProtocol } from './answers.ts';
import type { Explanation, Subject } from './explain.ts';

/**
 * What it means that no answer came, or one that says "not now". Read off the words of Node, OpenSSL and gRPC, since gRPC keeps no codes; where
 * they are the same for several faults, what is spoken at the address decides.
 */
export function explainSilence(subject: Subject, error: string): Explanation {
  const found = faults.find(({ words }) => words.test(error));
  if (found) return { result: 'failed', fault: found.fault, ...found.tell(subject) };
  if (subject.proxy !== undefined && /Last error: undefined/.test(error))
    return { result: 'failed', fault: 'proxy', ...refusedByProxy(subject) };
  return bySpoken(subject) ?? byStatus(subject, error) ?? { result: 'failed', fault: 'other', ...brokenOff(subject) };
}

type Told = Pick<Explanation, 'message' | 'mend'>;

interface KnownFault {
  readonly fault: NonNullable<Explanation['fault']>;
  readonly words: RegExp;
  readonly tell: (subject: Subject) => Told;
}

/** The first that fits: what stands further down may be said along with it. */
const faults: readonly KnownFault[] = [
  {
    fault: 'refused',
    words: /ECONNREFUSED/,
    tell: ({ host, set, proxy }) => ({
      message: proxy === undefined ? `nobody listens at ${host}` : `nobody listens at ${host}, or at the proxy that ${proxy} names`,
      mend: `start the receiver, or set ${set.endpoint} to where it listens; inside a container, localhost is the container itself`,
    }),
  },
  {
    fault: 'unknown_host',
    words: /ENOTFOUND|EAI_AGAIN|Name resolution failed/,
    tell: ({ host, set }) => ({
      message: `the name in ${host} is known to no name server`,
      mend: `look for a slip in ${set.endpoint}: getent hosts ${nameIn(host)} should print an address. The name of a Compose service is known inside its network only`,
    }),
  },
  {
    fault: 'unreachable',
    words: /EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL/,
    tell: ({ host }) => ({
      message: `there is no way to ${host} from here`,
      mend: `look at the network, a VPN or a firewall: ip route get ${nameIn(host)}`,
    }),
  },
  {
    fault: 'timeout',
    words: /no answer within|ETIMEDOUT|stopped before the answer/,
    tell: ({ host, to, set, proxy }) => ({
      message: `${host} gave no answer in time${proxy === undefined ? '' : ` (by the proxy that ${proxy} names)`}`,
      mend: `a firewall may drop what is sent, or the receiver hangs: curl -v ${to.target}; if it is only slow, raise ${set.timeout}`,
    }),
  },
  {
    fault: 'tls_unexpected',
    words: /wrong version number|packet length too long|http request/i,
    tell: ({ host, set }) => ({
      message: `${host} does not speak TLS, and was spoken to with it`,
      mend: `let ${set.endpoint} begin with http://`,
    }),
  },
  {
    fault: 'client_certificate',
    words:
      /certificate required|alert (bad|unsupported|unknown|revoked|expired) certificate|alert certificate|alert unknown ca|alert handshake failure|sslv3 alert/i,
    tell: ({ host, set }) => ({
      message: `${host} asks who sends, and was shown no certificate that it believes`,
      mend: `set ${set.clientCertificate} to PEM files that it believes`,
    }),
  },
  {
    fault: 'expired',
    words: /certificate has expired|CERT_HAS_EXPIRED|not yet valid|CERT_NOT_YET_VALID/i,
    tell: ({ host }) => ({
      message: `the certificate of ${host} has expired, or does not hold yet`,
      mend: 'renew it; if it should hold, look at the clock of this machine: date',
    }),
  },
  {
    fault: 'wrong_name',
    words: /altnames|ALTNAME/,
    tell: ({ host, set }) => ({
      message: `the certificate of ${host} is for another name`,
      mend: `call the receiver in ${set.endpoint} by a name that its certificate has, or give it a certificate for this one`,
    }),
  },
  {
    fault: 'unknown_ca',
    words: /unable to (verify|get)|self.signed|SELF_SIGNED|UNABLE_TO/i,
    tell: ({ host, set }) => ({
      message: `the certificate of ${host} is signed by nobody who is believed here`,
      mend: `set ${set.certificate} to the PEM file of the authority that signed it`,
    }),
  },
  {
    fault: 'proxy',
    words: /HTTP 50[24]\b|prox(y|ied)/i,
    tell: ({ host, proxy }) => ({
      message: `a proxy answers for ${host} and cannot reach it${proxy === undefined ? '' : ` (${proxy} names it)`}`,
      mend:
        proxy === undefined
          ? 'look at the gateway or load balancer there, and whether the receiver behind it runs'
          : `name the host in no_proxy, or unset ${proxy}`,
    }),
  },
];

/** What a proxy says to gRPC is lost on the way; only that there was nothing else is told. */
function refusedByProxy({ host, proxy }: Subject): Told {
  return {
    message: `the proxy that ${proxy} names does not answer, or does not let gRPC through to ${host}`,
    mend: `name the host in no_proxy, or unset ${proxy}, and start the daemon so; or send by http/protobuf, which goes straight to its address`,
  };
}

/** Where a connection was made and broke without a word, it was spoken to in the wrong way. */
function bySpoken(subject: Subject): Explanation | undefined {
  const { spoken, to } = subject;
  if (!spoken) return undefined;
  const isSecure = to.target.startsWith('https:');
  if (spoken.tls && !isSecure) return { result: 'failed', ...tlsMissing(subject) };
  const wanted = to.protocol === 'grpc' ? 2 : 1;
  return spoken.http !== undefined && spoken.http !== wanted ? { result: 'failed', ...wrongProtocol(subject) } : undefined;
}

function byStatus({ host }: Subject, error: string): Explanation | undefined {
  if (!/^(HTTP \d|gRPC (RESOURCE_EXHAUSTED|UNAVAILABLE|ABORTED))/.test(error) || /No connection established|Connection dropped/.test(error))
    return undefined;
  return {
    result: 'doubtful',
    fault: 'busy',
    message: `${host} answers, and asks to be left alone for a while`,
    mend: 'nothing is lost: what it does not take now is sent again. If it stays so, look at its load, its quota and its store',
  };
}

function brokenOff({ host, to }: Subject): Told {
  return {
    message: `${host} took the connection and broke it off without an answer`,
    mend: `is it an OTLP receiver? Look at its log, and at what it says by itself: curl -v ${to.target}`,
  };
}

/** A host without its port. */
function nameIn(host: string): string {
  return host.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
}
