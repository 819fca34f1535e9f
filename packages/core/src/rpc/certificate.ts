import { X509Certificate, createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type TlsOptions } from 'node:tls';
import type { Listen } from '../config/listen.ts';
import { DomainError } from '../errors.ts';

/**
 * What a TLS listener shows and asks for. Throws DomainError LISTEN_REFUSED for files that cannot be read, hold something else, or do not belong
 * together.
 */
export function readCertificate({ certificate, key, client_ca: clientCa }: NonNullable<Listen['tls']>): TlsOptions {
  const pem = { cert: read('certificate', certificate), key: read('key', key) };
  const authority = clientCa === undefined ? undefined : read('client_ca', clientCa);
  const leaf = parsed('certificate', certificate, () => new X509Certificate(pem.cert));
  const secret = parsed('key', key, () => createPrivateKey(pem.key));
  if (!leaf.checkPrivateKey(secret)) throw refused('key', key, `is not the key of the certificate in ${certificate}`);
  if (Date.parse(leaf.validTo) < Date.now())
    throw refused('certificate', certificate, `holds a certificate that ran out on ${leaf.validTo}`);
  if (authority !== undefined) parsed('client_ca', clientCa ?? '', () => new X509Certificate(authority));
  const options: TlsOptions = {
    ...pem,
    minVersion: 'TLSv1.2',
    ...(authority === undefined ? {} : { ca: authority, requestCert: true, rejectUnauthorized: true }),
  };
  parsed('certificate', certificate, () => createSecureContext(options));
  return options;
}

type Name = 'certificate' | 'key' | 'client_ca';

function read(name: Name, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw refused(name, path, `cannot be read (${error instanceof Error && 'code' in error ? String(error.code) : String(error)})`);
  }
}

function parsed<T>(name: Name, path: string, parse: () => T): T {
  try {
    return parse();
  } catch {
    // What the library says may hold parts of the file.
    throw refused(
      name,
      path,
      name === 'key' ? 'holds no private key in PEM without a passphrase' : 'holds no certificate in PEM that can be used',
    );
  }
}

function refused(name: Name, path: string, why: string): DomainError {
  return new DomainError('LISTEN_REFUSED', `listen.tls.${name}: ${path} ${why}`, { metadata: { path } });
}
