import { open, readdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Writes a file so that it is there whole or not at all, also after the power was cut. */
export async function writeDurably(path: string, content: string, encoding: BufferEncoding = 'utf8'): Promise<void> {
  const aside = `${path}.new`;
  const file = await open(aside, 'w', 0o600);
  try {
    await file.writeFile(content, encoding);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(aside, path);
  await sync(dirname(path));
}

/** Syncs a folder, all that is in it, and its name in the folder above. */
export async function syncTree(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const inside = entries.filter((entry) => entry.isFile() || entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
  await Promise.all(inside.map(sync));
  await sync(folder);
  await sync(dirname(folder));
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
