import child from 'node:child_process';
import { readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

/**
 * Preloaded into a daemon (`node --import`), shifts wall time there, and in the shims that it starts, by the milliseconds that the file in
 * SINGLETREE_TEST_CLOCK holds at that moment. Monotonic time and the kernel's own, such as that of files, go on as they are.
 */
const variable = 'SINGLETREE_TEST_CLOCK';
const file = process.env[variable] ?? '';
/** The file is read again after so long: somebody who asks for the time again and again must not be slowed. */
const freshMs = 10;

const real = Date.now;
let last = { at: -Infinity, shift: 0 };

function now(): number {
  if (performance.now() - last.at > freshMs) last = { at: performance.now(), shift: readShift() };
  return real() + last.shift;
}

/** Where it cannot be read, for want of a descriptor perhaps, the clock stays shifted as it was. */
function readShift(): number {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return last.shift;
  }
}

globalThis.Date = new Proxy(Date, {
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  get: (target, key, receiver) => (key === 'now' ? now : Reflect.get(target, key, receiver)),
});

// A shim has an environment of its own and no arguments from a test, so they are added where it is started.
const { spawn } = child;
child.spawn = new Proxy(spawn, {
  apply(target, self, [program, args, options]: [string, readonly string[] | undefined, child.SpawnOptions | undefined]) {
    if (!Array.isArray(args) || !args.some((arg) => /\/supervision\/shim\/main\.[jt]s$/.test(arg)))
      return Reflect.apply(target, self, [program, args, options]);
    const env = { ...options?.env, [variable]: file };
    return Reflect.apply(target, self, [program, ['--import', import.meta.filename, ...args], { ...options, env }]);
  },
});
syncBuiltinESMExports();
