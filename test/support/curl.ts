import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Not every machine has it. */
export const hasCurl: boolean = spawnSync('curl', ['--version']).status === 0;
const service = 'http://localhost/singletree.v1.TaskService';

/** One call of Connect with JSON by curl over the daemon's socket; bytes are sent as they are. `status` is that of HTTP. */
export async function curl(socket: string, method: string, request: object): Promise<{ status: number; body: unknown }> {
  const args = ['-H', 'content-type: application/json', '-H', 'connect-protocol-version: 1', '--data-binary', '@-', '-w', '\n%{http_code}'];
  const call = run('curl', ['-sS', '--unix-socket', socket, ...args, `${service}/${method}`]);
  call.child.stdin?.end(Buffer.isBuffer(request) ? request : JSON.stringify(request));
  const { stdout } = await call;
  const end = stdout.lastIndexOf('\n');
  return { status: Number(stdout.slice(end)), body: JSON.parse(stdout.slice(0, end)) };
}

/** A server stream of Connect with JSON by curl: every message, the last of them the end of the stream. */
export async function curlStream(socket: string, method: string, request: unknown): Promise<unknown[]> {
  const args = ['-H', 'content-type: application/connect+json', '-H', 'connect-protocol-version: 1', '--data-binary', '@-'];
  const call = run('curl', ['-sS', '--unix-socket', socket, ...args, `${service}/${method}`], { encoding: 'buffer', maxBuffer: 2 ** 26 });
  call.child.stdin?.end(envelope(JSON.stringify(request)));
  return [...messagesIn((await call).stdout)];
}

/** A byte of flags, four of length, the message. */
function envelope(message: string): Buffer {
  const body = Buffer.from(message);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

function* messagesIn(bytes: Buffer): Generator {
  for (let at = 0; at < bytes.length;) {
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    yield JSON.parse(bytes.toString('utf8', at + 5, end));
    at = end;
  }
}
