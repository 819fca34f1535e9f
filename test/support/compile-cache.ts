import { join } from 'node:path';

/** Halves the start of a daemon or command, and takes four fifths off that of a shim: the tests make more than a thousand. */
export const compileCache: string = join(import.meta.dirname, '../../node_modules/.cache/daemon');
