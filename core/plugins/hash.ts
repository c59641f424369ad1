// What a plugin consists of, as one SHA-256.
import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'

/** SHA-256, in hexadecimal, of a file, or of a folder's files and their names. Packages it brings along are named by its lock file. */
export async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  if (!(await stat(path)).isDirectory()) return hash.update(await readFile(path)).digest('hex')
  for (const file of await filesBelow(path)) {
    const content = await readFile(file)
    hash
      .update(JSON.stringify([relative(path, file).replaceAll(sep, '/'), content.byteLength]))
      .update(content)
  }
  return hash.digest('hex')
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const items = await readdir(folder, { withFileTypes: true })
  const nested = await Promise.all(
    items
      .filter(({ name }) => name !== 'node_modules' && !name.startsWith('.'))
      .map(async (item) => {
        const path = join(folder, item.name)
        return item.isDirectory() ? filesBelow(path) : [path]
      }),
  )
  return nested.flat().toSorted()
}
