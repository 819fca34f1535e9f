import { isIPv4, isIPv6 } from 'node:net';
import { isAbsolute } from 'node:path';
import { z } from 'zod';

/** An address of this machine, without brackets. */
export interface TcpAddress {
  readonly host: string;
  /** 0: one that is free. */
  readonly port: number;
}

const expectedAddress = 'expected an address of this machine and a port, such as 127.0.0.1:7470 or [::1]:7470';

const tcp = z.string(expectedAddress).transform((text, context) => {
  const address = parseAddress(text);
  if (address) return address;
  context.addIssue({ code: 'custom', message: `"${text}": ${expectedAddress}` });
  return z.NEVER;
});

const file = z.string('expected the path of a PEM file').refine(isAbsolute, 'expected an absolute path');

/** A name, or an address as a URL has it; with a port where that is another than the daemon's own. */
const host = z
  .string('expected the name of a host')
  .regex(
    /^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:.]+\])(:\d{1,5})?$/,
    'expected the name of a host, such as build.example.org',
  );

/** Where the daemon takes calls. */
export const listen = z
  .strictObject({
    /** The unix socket in the state folder. */
    socket: z.boolean('expected true or false').default(true),
    /** Absent: none. */
    tcp: tcp.optional(),
    /** Names that callers over TCP may use for this machine, beside the address itself and those of loopback. */
    hosts: z.array(host).default([]),
    tls: z
      .strictObject({
        certificate: file,
        key: file,
        /** Only clients with a certificate of this authority are spoken to. */
        client_ca: file.optional(),
      })
      .optional(),
  })
  .superRefine(({ socket, tcp: address, tls, hosts }, context) => {
    const wrong = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message });
    if (!socket && !address) wrong('socket', 'without the socket nobody reaches the daemon: set listen.tcp too, or leave the socket on');
    if (address && !isLoopback(address.host) && !tls)
      wrong(
        'tcp',
        `${address.host} is reached from other machines, who would see tokens and prompts: set listen.tls too, or listen on 127.0.0.1`,
      );
    if (!address && tls) wrong('tls', 'only a TCP address is served with TLS: set listen.tcp too');
    if (!address && hosts.length > 0) wrong('hosts', 'they are names for a TCP address: set listen.tcp too');
  })
  .prefault({});

export type Listen = z.output<typeof listen>;

function isLoopback(host: string): boolean {
  return isIPv4(host) ? host.startsWith('127.') : host === '::1';
}

function parseAddress(text: string): TcpAddress | undefined {
  const [, six, four = '', port = ''] = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+|localhost)):(\d{1,5})$/.exec(text) ?? [];
  if (Number(port) > 65_535) return undefined;
  if (six !== undefined) return isIPv6(six) ? { host: six, port: Number(port) } : undefined;
  // Not looked up: what the machine's own tables say of the name may be another address.
  const host = four === 'localhost' ? '127.0.0.1' : four;
  return isIPv4(host) ? { host, port: Number(port) } : undefined;
}
