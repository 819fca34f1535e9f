import { DomainError } from '../errors.ts';
import { scopes, type Scope } from '../state-folder/tokens.ts';

/** Who calls, and what that allows. */
export interface Principal {
  /** `socket`, or the name of the token. */
  readonly name: string;
  readonly scope: Scope;
}

/** What a request says of itself before its body: each header with every value that was sent, under which nobody can hide another one. */
export interface Asked {
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  readonly httpVersion: string;
  readonly authorities: readonly string[];
  readonly origins: readonly string[];
  readonly contentTypes: readonly string[];
  readonly authorizations: readonly string[];
}

/** A path that is answered. */
export interface Destination {
  readonly scope: Scope;
  /** `text` is answered to a plain GET; the others are kinds of methods. */
  readonly kind: 'text' | 'unary' | 'server_streaming' | 'client_streaming' | 'bidi_streaming';
}

export interface Rules {
  /** Authorities that may be asked for, in lower case; absent where no name leads here: clients of a unix socket write what they like. */
  readonly hosts?: ReadonlySet<string>;
  /** Throws a DomainError for who is nobody. */
  readonly principal: (authorizations: readonly string[]) => Principal;
  readonly destinations: ReadonlyMap<string, Destination>;
}

/** Why a request goes no further. */
export class Refusal extends Error {
  readonly error: DomainError;
  /** Of HTTP, for those who speak nothing else; that of the error's code if absent. */
  readonly status: number | undefined;
  /** Who was refused; absent as long as nobody knows. */
  readonly principal: Principal | undefined;

  constructor(error: DomainError, details: { readonly status?: number; readonly principal?: Principal } = {}) {
    super(error.message);
    this.error = error;
    this.status = details.status;
    this.principal = details.principal;
  }
}

/**
 * What stands before every path and method: a host that is ours, no page of a browser, a caller that is known, and only then whether there is
 * such a path and whether it is asked as it is answered. Allowlists all along, so that what nobody thought of is refused. Throws a Refusal.
 */
export function admit(asked: Asked, rules: Rules): { readonly principal: Principal; readonly destination: Destination } {
  refuseForeign(asked, rules.hosts);
  const principal = principalOf(asked, rules);
  const refuse = (reason: string, message: string, status: number): never => {
    throw new Refusal(new DomainError(reason, message), { status, principal });
  };
  const destination = rules.destinations.get(asked.path);
  const method = destination?.kind === 'text' ? 'GET' : 'POST';
  if (asked.method !== method) refuse('NOT_SUPPORTED', `this is answered to ${method} only`, 405);
  if (!destination) return refuse('NOT_SUPPORTED', 'there is no such method', 404);
  if (destination.kind !== 'text' && !isSpoken(asked.contentTypes, destination.kind))
    refuse('INVALID_REQUEST', `content-type must be one of ${spoken(destination.kind).join(', ')}`, 415);
  if (destination.kind === 'bidi_streaming' && asked.httpVersion.startsWith('1')) refuse('NOT_SUPPORTED', 'this needs HTTP/2', 505);
  if (scopes.indexOf(principal.scope) < scopes.indexOf(destination.scope)) {
    const message = `this needs a token of the scope ${destination.scope}; the one that was sent has ${principal.scope}`;
    throw new Refusal(new DomainError('SCOPE_MISSING', message, { metadata: { scope: destination.scope } }), { principal });
  }
  return { principal, destination };
}

/** By a fixed list and never by comparing one header with the other: whoever makes a name of theirs lead here has both. */
function refuseForeign({ authorities, origins }: Asked, hosts: Rules['hosts']): void {
  const isOurs = authorities.length > 0 && authorities.every((authority) => hosts?.has(authority.toLowerCase()));
  if (hosts && !isOurs) {
    const hint = 'listen.hosts in the configuration names further ones';
    throw new Refusal(new DomainError('HOST_REFUSED', 'the host that was asked for is not one of this daemon', { hint }));
  }
  if (origins.length > 0) throw new Refusal(new DomainError('ORIGIN_REFUSED', 'pages of a web browser are not answered'));
}

function principalOf({ authorizations }: Asked, rules: Rules): Principal {
  try {
    return rules.principal(authorizations);
  } catch (error) {
    throw error instanceof DomainError ? new Refusal(error) : error;
  }
}

/** How each kind of method can be asked: gRPC's two protocols for all of them, Connect's by the kind. */
function spoken(kind: Destination['kind']): readonly string[] {
  const connect = kind === 'unary' ? ['application/json', 'application/proto'] : ['application/connect+json', 'application/connect+proto'];
  return [...connect, 'application/grpc', 'application/grpc-web'];
}

const charset = '(?:; ?charset=utf-?8)?';
const unaryTypes = new RegExp(`^application/(?:proto|json${charset}|grpc(?:-web)?(?:\\+proto|\\+json${charset})?)$`, 'i');
const streamTypes = new RegExp(
  `^application/(?:connect\\+proto|connect\\+json${charset}|grpc(?:-web)?(?:\\+proto|\\+json${charset})?)$`,
  'i',
);

function isSpoken([type = '', ...others]: readonly string[], kind: Destination['kind']): boolean {
  return others.length === 0 && (kind === 'unary' ? unaryTypes : streamTypes).test(type);
}
