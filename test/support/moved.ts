// A built-in adapter as a plugin: its folder copied elsewhere, with what adapters share (DESIGN §15).
import { existsSync } from 'node:fs'
import { cp, mkdir, realpath, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { temporaryDirectory } from './gateway.ts'

/** What adapters may import beside their own folder. */
const SHARED = ['xml', 'data']
const HOUSE = join(import.meta.dirname, '../..')

export interface Moved extends AsyncDisposable {
  /** Of its index.ts. */
  readonly file: URL
}

/** `from` is a folder of the repository; `entry` the file in it that holds the adapter. */
export async function movedIntoPlugins(name: string, from: string, entry = 'index.ts'): Promise<Moved> {
  const root = await realpath(await temporaryDirectory())
  const folder = join(root, name)
  await mkdir(folder)
  await cp(join(HOUSE, from), join(folder, 'own'), { recursive: true })
  for (const shared of SHARED) {
    const here = join(HOUSE, 'adapters', shared)
    if (existsSync(here)) await cp(here, join(folder, shared), { recursive: true })
  }
  await writeFile(join(folder, 'index.ts'), `export { default } from './own/${entry}'\n`)
  return {
    file: pathToFileURL(join(folder, 'index.ts')),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true, maxRetries: 3 }),
  }
}
