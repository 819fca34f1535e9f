import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** What is spoken at an address: over TLS or not, HTTP/1.1 or HTTP/2. Absent: neither was answered. */
export interface Spoken {
  readonly tls: boolean;
  readonly http?: 1 | 2;
}

/** The preface of HTTP/2 and an empty frame of settings. Who speaks HTTP/2 answers with a frame, who speaks HTTP/1.1 refuses it in his own words. */
const preface = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])]);
const settingsFrame = 4;

/** Finds out what is spoken at an address, by connections of its own. Undefined if nothing can be told; takes `limitMs` for each of two. */
export async function spokenAt(host: string, port: number, limitMs: number): Promise<Spoken | undefined> {
  const plain = await greet(connect({ host, port }), 'connect', limitMs);
  if (plain) return { tls: false, http: plain };
  // Only what it speaks is asked, so whose certificate it shows does not matter.
  const socket = connectTls({
    host,
    port,
    rejectUnauthorized: false,
    ALPNProtocols: ['h2', 'http/1.1'],
    ...(isName(host) ? { servername: host } : {}),
  });
  let handshake = false;
  socket.once('secureConnect', () => (handshake = true));
  const secure = await greet(socket, 'secureConnect', limitMs);
  return handshake ? { tls: true, ...(secure ? { http: secure } : {}) } : undefined;
}

/** Which HTTP answers on a connection. */
function greet(socket: Socket, ready: 'connect' | 'secureConnect', limitMs: number): Promise<1 | 2 | undefined> {
  return new Promise((resolve) => {
    let heard = Buffer.alloc(0);
    const end = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(httpOf(heard));
    };
    const timer = setTimeout(end, limitMs);
    socket.on(ready, () => socket.write(preface));
    socket.on('data', (bytes: Buffer) => {
      heard = Buffer.concat([heard, bytes]);
      if (heard.length >= 9) end();
    });
    socket.on('error', end);
    socket.on('close', end);
  });
}

function httpOf(heard: Buffer): 1 | 2 | undefined {
  if (heard.subarray(0, 5).toString('latin1') === 'HTTP/') return 1;
  return heard.length >= 9 && heard[3] === settingsFrame ? 2 : undefined;
}

/** A server may choose its certificate by a name, and TLS has no place for an address there. */
function isName(host: string): boolean {
  return !/^[\d.]+$/.test(host) && !host.includes(':');
}
