import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Listen } from '../config/listen.ts';
import { readCertificate } from '../rpc/certificate.ts';
import type { StatePaths } from '../state-folder/paths.ts';
import { examineTokens } from '../state-folder/tokens.ts';
import { errorFrom, type Finding } from './finding.ts';

/** Where a daemon takes calls with this configuration, and what it needs for that. Nothing is opened and nothing is made. */
export function examineListeners({ socket, tcp, tls }: Listen, paths: StatePaths): Finding[] {
  const unix: Finding = socket
    ? { check: 'socket', status: 'ok', message: 'a unix socket, for this user alone; no token is needed' }
    : { check: 'socket', status: 'skipped', message: 'listen.socket is off' };
  if (!tcp) return [unix, { check: 'tcp', status: 'skipped', message: 'off: listen.tcp is not set' }];
  const host = tcp.host.includes(':') ? `[${tcp.host}]` : tcp.host;
  const address = `${tls ? 'https' : 'http'}://${host}:${tcp.port}`;
  return [
    unix,
    {
      check: 'tcp',
      status: 'ok',
      message: `${address}, for whoever shows a token${tls?.client_ca === undefined ? '' : ' and a certificate'}`,
    },
    tokens(paths),
    ...(tls ? [certificate(tls)] : []),
  ];
}

function tokens(paths: StatePaths): Finding {
  try {
    const missing = examineTokens(paths);
    const message =
      missing.length === 0
        ? 'each in a file that only you can read'
        : `${missing.length} of 3 files are not there: the next start makes them`;
    return { check: 'tokens', status: 'ok', message, where: paths.root };
  } catch (error) {
    return errorFrom('tokens', error);
  }
}

/** Days before its end at which a certificate should be renewed. */
const soonDays = 14;

function certificate(tls: NonNullable<Listen['tls']>): Finding {
  const base = { check: 'certificate', where: tls.certificate };
  try {
    readCertificate(tls);
    const { validTo } = new X509Certificate(readFileSync(tls.certificate));
    const days = (Date.parse(validTo) - Date.now()) / 86_400_000;
    const message = `holds until ${validTo}`;
    return days > soonDays
      ? { ...base, status: 'ok', message }
      : { ...base, status: 'warning', message, mend: 'renew it, then start the daemon again' };
  } catch (error) {
    return errorFrom('certificate', error);
  }
}
