// The folder that kept generations lie in: each content once, by its SHA-256, and one manifest for each generation.
import { randomUUID } from 'node:crypto'
import { mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import type { Log } from '../api.ts'
import type { KeptPlugin } from '../plugins/entries.ts'
import { isCode } from '../plugins/find.ts'
import { sha256 } from './content.ts'
import type { Content, KeptFile } from './content.ts'

export interface KeptRow {
  readonly generation: number
  readonly last: number
  /** RFC 3339. */
  readonly at: string
  readonly hash: string
  readonly changes: readonly string[]
  /** The one that ran when it was taken over. */
  readonly before?: number | undefined
}

/** A generation that was gone back to. */
export interface Pin {
  readonly generation: number
  /** What lay on the disk then. */
  readonly disk: string
  readonly places: { readonly files: readonly string[]; readonly plugins: string }
}

export interface Keep {
  /** The generations by number, oldest first, and which of them was gone back to. */
  rows(): Promise<{ readonly rows: readonly KeptRow[]; readonly pin: Pin | undefined }>
  /** Without content: that is kept already. */
  write(row: KeptRow, content: Content | undefined): Promise<void>
  /** Throws where anything of it is missing or is not what it was. */
  read(row: KeptRow): Promise<Content>
  /** Writes the files of a generation into a folder of its own; resolves with where each lies. */
  unpack(content: Content): Promise<ReadonlyMap<string, string>>
  /** Removes all generations but these. */
  prune(kept: readonly number[]): Promise<void>
  writePin(pin: Pin | undefined): Promise<void>
}

const hex = z.string().regex(/^[0-9a-f]{64}$/)
const named = z.tuple([z.string(), hex])
const manifest = z.strictObject({
  format: z.literal(1),
  generation: z.int().positive(),
  last: z.int().positive(),
  at: z.string(),
  hash: hex,
  changes: z.array(z.string()),
  before: z.int().positive().optional(),
  config: named,
  files: z.array(named),
  plugins: z.array(
    z.strictObject({
      name: z.string(),
      path: z.string(),
      entry: z.string().optional(),
      hash: z.string(),
      ran: z
        .strictObject({
          file: z.string(),
          root: z.string(),
          hash: hex,
          own: z.string(),
          sources: z.array(named),
          others: z.array(named),
        })
        .optional(),
    }),
  ),
})
type Manifest = z.infer<typeof manifest>
const pinned = z.strictObject({
  generation: z.int().positive(),
  disk: hex,
  places: z.strictObject({ files: z.array(z.string()), plugins: z.string() }),
})

const MANIFEST = /^(\d+)\.json$/
const PIN = 'pin.json'

/** `directory` and all in it can be read by the gateway's user alone: a config may hold secrets written out. */
export function createKeep(directory: string, log: Log): Keep {
  const blobs = join(directory, 'content')
  const unpacked = join(directory, 'unpacked')
  const manifests = new Map<number, Manifest>()

  async function readManifest(name: string): Promise<Manifest | undefined> {
    try {
      return manifest.parse(JSON.parse(await readFile(join(directory, name), 'utf8')))
    } catch (error) {
      log.warn('a kept generation cannot be read', { file: join(directory, name), error })
      return undefined
    }
  }

  async function readPin(): Promise<Pin | undefined> {
    try {
      return pinned.parse(JSON.parse(await readFile(join(directory, PIN), 'utf8')))
    } catch (error) {
      if (!isCode(error, 'ENOENT', 'ENOTDIR'))
        log.warn('which generation was gone back to cannot be read', { error })
      return undefined
    }
  }

  /** Whole or not at all. */
  async function put(file: string, content: string | Uint8Array): Promise<void> {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    const fresh = `${file}.${randomUUID()}.new` // two plugins may have one content
    await writeFile(fresh, content, { mode: 0o600 })
    await rename(fresh, file)
  }

  async function keep(bytes: Uint8Array | string): Promise<string> {
    const hash = sha256(bytes)
    const file = join(blobs, hash)
    if (!(await exists(file))) await put(file, bytes)
    return hash
  }

  async function kept(hash: string): Promise<Buffer> {
    const bytes = await readFile(join(blobs, hash))
    if (sha256(bytes) !== hash) throw new Error(`${join(blobs, hash)} is damaged`)
    return bytes
  }

  const keepFile = async ({ file, bytes }: KeptFile): Promise<[string, string]> => [file, await keep(bytes)]
  const keptFile = async ([file, hash]: readonly [string, string]): Promise<KeptFile> => ({
    file,
    bytes: await kept(hash),
  })

  async function keepPlugin({ found, hash, snapshot }: KeptPlugin): Promise<Manifest['plugins'][number]> {
    const { name, path, entry } = found
    const at = { name, path, ...(entry !== undefined && { entry }) }
    if (snapshot === undefined) return { ...at, hash }
    const { file, root, own } = snapshot
    const sources = await Promise.all(
      [...snapshot.sources].map(async ([url, text]): Promise<[string, string]> => [url, await keep(text)]),
    )
    const ran = { file, root, hash: snapshot.hash, own, sources, others: [...snapshot.others] }
    return { ...at, hash, ran }
  }

  async function keptPlugin({
    name,
    path,
    entry,
    hash,
    ran,
  }: Manifest['plugins'][number]): Promise<KeptPlugin> {
    const found = { name, path, ...(entry !== undefined && { entry }) }
    if (ran === undefined) return { found, hash }
    const sources = await Promise.all(
      ran.sources.map(async ([url, of]) => [url, (await kept(of)).toString('utf8')] as const),
    )
    const snapshot = { ...ran, name, sources: new Map(sources), others: new Map(ran.others) }
    return { found, hash, snapshot }
  }

  return {
    async rows() {
      const names = (await namesIn(directory)).filter((name) => MANIFEST.test(name))
      const found = await Promise.all(names.map(readManifest))
      for (const each of found) if (each !== undefined) manifests.set(each.generation, each)
      await rm(unpacked, { recursive: true, force: true }) // nobody reads from it yet
      const rows = [...manifests.values()].map(rowOf).toSorted((a, b) => a.generation - b.generation)
      return { rows, pin: await readPin() }
    },
    async write(row, content) {
      const before = manifests.get(row.generation)
      const parts =
        content === undefined
          ? before
          : {
              config: await keepFile(content.config),
              files: await Promise.all(content.files.map(keepFile)),
              plugins: await Promise.all(content.plugins.map(keepPlugin)),
            }
      if (parts === undefined) throw new Error(`there is no content of generation ${row.generation}`)
      const { config, files, plugins } = parts
      const written: Manifest = { format: 1, ...row, changes: [...row.changes], config, files, plugins }
      await put(join(directory, `${row.generation}.json`), JSON.stringify(written))
      manifests.set(row.generation, written)
    },
    async read({ generation, hash }) {
      const found = manifests.get(generation)
      if (found === undefined) throw new Error('its manifest has gone')
      const [config, files, plugins] = await Promise.all([
        keptFile(found.config),
        Promise.all(found.files.map(keptFile)),
        Promise.all(found.plugins.map(keptPlugin)),
      ])
      return { hash, config, files, plugins }
    },
    async unpack({ hash, files }) {
      const folder = join(unpacked, hash.slice(0, 16))
      const places = files.map(({ file }) => [file, join(folder, file)] as const)
      for (const { file, bytes } of files) await put(join(folder, file), bytes)
      return new Map(places)
    },
    async prune(numbers) {
      for (const generation of manifests.keys())
        if (!numbers.includes(generation)) {
          manifests.delete(generation)
          await rm(join(directory, `${generation}.json`), { force: true })
        }
      const all = [...manifests.values()]
      const used = new Set(all.flatMap(blobsOf))
      for (const name of await namesIn(blobs))
        if (!used.has(name)) await rm(join(blobs, name), { force: true })
    },
    async writePin(pin) {
      if (pin === undefined) await rm(join(directory, PIN), { force: true })
      else await put(join(directory, PIN), JSON.stringify(pin))
    },
  }
}

function rowOf({ generation, last, at, hash, changes, before }: Manifest): KeptRow {
  return { generation, last, at, hash, changes, ...(before !== undefined && { before }) }
}

function blobsOf({ config, files, plugins }: Manifest): readonly string[] {
  const sources = plugins.flatMap(({ ran }) => ran?.sources ?? [])
  return [config, ...files, ...sources].map(([, hash]) => hash)
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file)
    return true
  } catch (error) {
    if (isCode(error, 'ENOENT')) return false
    throw error
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (isCode(error, 'ENOENT', 'ENOTDIR')) return [] // where there can be no folder, whoever makes one says so
    throw error
  }
}
