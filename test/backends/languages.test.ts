import { basename, delimiter, join } from 'node:path';
import { spawn } from 'node:child_process';
import { cpSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { found, lineOf, prepareGo, preparePython } from '../../tools/backends/languages.ts';
import { caseNames, transportNames, type Cell, type MatrixProtocol, type MatrixTransport } from '../matrix/cases.ts';
import { matrixSettings, startMatrix, type Matrix } from '../matrix/daemon.ts';
import { exampleTests, startScene, type Scene } from '../support/example.testsuite.ts';
import { blocksOf, programOf } from '../support/page.ts';

/** Clients that others write: generated from the proto files, compiled, and run against the daemon. */

const root = join(import.meta.dirname, '../..');
const examples = join(root, 'examples');
const drivers = join(import.meta.dirname, '../matrix/drivers');
const python = await preparePython(console.error);
const go = await prepareGo(console.error);

afterAll(() => {
  console.log(lineOf('Python', python));
  console.log(lineOf('Go', go));
});

describe('examples', () => {
  const stack = new AsyncDisposableStack();
  let scene: Scene;
  beforeAll(async () => {
    scene = stack.use(await startScene());
  });
  afterAll(() => stack.disposeAsync());

  describe.skipIf('missing' in python)('examples/python', () => {
    exampleTests(
      () => scene,
      () => {
        const { interpreter, environment } = found(python);
        return { command: [interpreter, join(root, 'examples/python/run.py')], environment, aSecond: '1' };
      },
    );
  });

  describe.skipIf('missing' in go)('examples/go', () => {
    exampleTests(
      () => scene,
      async () => ({ command: [await found(go).build('examples/go')], aSecond: '1s' }),
    );
  });

  test.skipIf('missing' in python || 'missing' in go)(
    'the commands of docs/clients.md, from a checkout of the repository',
    async () => {
      const copy = join(scene.home, 'singletree');
      for (const part of ['proto', 'examples']) cpSync(join(root, part), join(copy, part), { recursive: true, filter: isSource });
      const script = programOf(blocksOf('docs/clients.md'), 'sh', 'test:backends').replaceAll('/home/me', scene.home);
      const PATH = [join(root, 'node_modules/.bin'), process.env['PATH']].join(delimiter);
      // Only the caches are ours: HOME is where the page's reader has the daemon.
      const environment = { ...process.env, ...found(go).environment, HOME: scene.home, PATH };
      const run = scene.start(['bash', '-euo', 'pipefail'], environment, `cd '${copy}'\n${script}`);
      const { code, stdout, stderr } = await run.ended;
      expect(code, stderr).toBe(0);
      expect(stdout.match(/"outcome": *"OUTCOME_SUCCESS"/g)).toHaveLength(2);
    },
    600_000,
  );
});

const protocols: readonly MatrixProtocol[] = ['connect', 'grpc', 'grpc-web'];

interface Impossible {
  readonly clients: readonly string[];
  readonly protocols: readonly MatrixProtocol[];
  readonly transports: readonly MatrixTransport[];
  readonly why: string;
}

/** What no user of a library can do either. connect-go speaks everything over everything. */
const impossible: readonly Impossible[] = [
  { clients: ['grpcio', 'grpc-go'], protocols: ['connect', 'grpc-web'], transports: transportNames, why: 'they speak gRPC only' },
  {
    clients: ['grpcio', 'grpc-go'],
    protocols: ['grpc'],
    transports: ['socket h1', 'tcp h1', 'tls h1'],
    why: 'they speak HTTP/2 only, as gRPC is defined',
  },
];

describe('the protocol matrix', () => {
  const stack = new AsyncDisposableStack();
  let matrix: Matrix;
  beforeAll(async () => {
    matrix = stack.use(await startMatrix());
  });
  afterAll(() => stack.disposeAsync());

  test.skipIf('missing' in python)('Python drives all that grpcio can', async () => {
    const { interpreter, environment } = found(python);
    const paths = [join(examples, 'python'), environment['PYTHONPATH']].join(delimiter);
    const cells = await driven([interpreter, join(drivers, 'python/drive.py')], { ...environment, PYTHONPATH: paths });
    expectAll(cells, ['grpcio']);
  });

  test.skipIf('missing' in go)('Go drives all that grpc-go and connect-go can', async () => {
    const cells = await driven([await found(go).build('test/matrix/drivers/go')]);
    expectAll(cells, ['grpc-go', 'connect-go']);
  });

  async function driven([file = '', ...args]: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Cell[]> {
    const child = spawn(file, args, { env: { ...process.env, ...environment }, stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdin.end(matrixSettings(matrix));
    const lines = (await text(child.stdout)).trim().split('\n');
    return lines.map((line) => JSON.parse(line) as Cell);
  }

  function expectAll(cells: readonly Cell[], clients: readonly string[]): void {
    expect(cells.filter(({ ok }) => !ok)).toEqual([]);
    const wanted = clients.flatMap((client) =>
      protocols.flatMap((protocol) =>
        transportNames
          .filter((transport) => !isImpossible(client, protocol, transport))
          .flatMap((transport) => caseNames.map((name) => [client, protocol, transport, name].join(' · '))),
      ),
    );
    const made = cells.map(({ client, protocol, transport, case: name }) => [client, protocol, transport, name].join(' · '));
    expect(made.toSorted()).toEqual(wanted.toSorted());
    console.log(`the protocol matrix: ${made.length} cells by ${clients.join(' and ')}`);
  }
});

function isImpossible(client: string, protocol: MatrixProtocol, transport: MatrixTransport): boolean {
  return impossible.some((row) => row.clients.includes(client) && row.protocols.includes(protocol) && row.transports.includes(transport));
}

function isSource(path: string): boolean {
  return !['gen', 'node_modules', '__pycache__'].includes(basename(path));
}
