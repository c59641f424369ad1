// What lies on the disk now, as one hash: whether anybody has changed a file since.
import { readFile } from 'node:fs/promises'
import { findPlugins, pluginsRoot } from '../plugins/find.ts'
import { takeSnapshot } from '../plugins/snapshot.ts'
import { sha256 } from './content.ts'

export interface Places {
  /** The config and what it names, absolute. */
  readonly files: readonly string[]
  /** The plugins folder. */
  readonly plugins: string
}

/** Of the content of files and plugins; one that is not there or cannot be read counts as such. */
export async function hashOfDisk({ files, plugins }: Places): Promise<string> {
  const root = await pluginsRoot(plugins)
  const found = root === undefined ? [] : await findPlugins(root)
  const parts = await Promise.all([
    ...files.map(async (file) => [file, await hashOfFile(file)]),
    ...found.map(async (each) => {
      const taken = await takeSnapshot(each, root ?? '')
      if (taken === undefined) return [each.path]
      return [each.path, 'failure' in taken ? taken.failure.message : taken.snapshot.hash]
    }),
  ])
  return sha256(JSON.stringify(parts))
}

async function hashOfFile(file: string): Promise<string> {
  try {
    return sha256(await readFile(file))
  } catch {
    return 'not there'
  }
}
