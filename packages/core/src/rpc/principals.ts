import { createHash, timingSafeEqual } from 'node:crypto';
import { DomainError } from '../errors.ts';
import { scopes, type Scope } from '../state-folder/tokens.ts';
import type { Principal } from './gate.ts';

/** Names as the files of the tokens have. */
const names: Readonly<Record<Scope, string>> = { read: 'token.read', submit: 'token.submit', admin: 'token' };

/** Longer ones are no token, and need not be read. */
const longestHeader = 512;

/**
 * Who shows which token. Each try costs the same whether it is nearly right or not: what is compared are digests, all of them, byte by byte to
 * the end. Throws DomainError TOKEN_MISSING or TOKEN_INVALID.
 */
export function byToken(tokens: Readonly<Record<Scope, string>>): (authorizations: readonly string[]) => Principal {
  const known = scopes.map((scope) => ({ scope, digest: digestOf(tokens[scope]) }));
  return (authorizations) => {
    const [header = '', ...others] = authorizations;
    const shown = digestOf(/^Bearer +(\S+)$/i.exec(header.slice(0, longestHeader))?.[1] ?? '');
    const found = known.filter(({ digest }) => timingSafeEqual(digest, shown));
    const scope = found[0]?.scope;
    if (scope !== undefined && others.length === 0) return { name: names[scope], scope };
    if (header === '')
      throw new DomainError('TOKEN_MISSING', 'a call over TCP needs a token', {
        hint: 'send "authorization: Bearer" with what one of the token files in the state folder holds',
      });
    throw new DomainError('TOKEN_INVALID', 'the token is none of this daemon', { hint: 'its token files are in its state folder' });
  };
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
