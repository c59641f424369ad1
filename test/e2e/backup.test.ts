// `dragoman backup` as an operator uses it: beside a gateway under load, and a gateway on the copy.
import { execFile } from 'node:child_process'
import {
  appendFile,
  copyFile,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { openSqliteStore } from '../../core/store/sqlite.ts'
import { backUp as copyStore } from '../../core/store/sqlite/backup.ts'
import { lockFile } from '../../core/store/sqlite/database.ts'
import { dropMark, writeMark } from '../../core/store/sqlite/mark.ts'
import { accept } from '../conformance/store/world.ts'
import { startBot } from '../support/bot.ts'
import { startGateway, temporaryDirectory, until } from '../support/gateway.ts'
import { readLog, say, texts } from '../support/rest.ts'

const BIN = resolve(import.meta.dirname, '../../bin/dragoman.ts')
const yaml = (bot: string): string => `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: webhook, url: "${bot}", timeout: 30s } }
routes: [{ agent: helper }]
`

async function dragoman(...words: readonly string[]) {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [BIN, ...words])
    return { status: 0, stdout, stderr }
  } catch (error) {
    return error as { readonly code: number; readonly stdout: string; readonly stderr: string } // what execFile rejects with
  }
}

async function folder(): Promise<string> {
  const directory = await temporaryDirectory()
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

test(
  'taken while messages come in, a copy holds all that were acknowledged before, and a gateway starts on it under another incarnation',
  { timeout: 60_000 },
  async () => {
    await using bot = await startBot(() => ({ body: { text: 'yes' } }))
    const directory = await folder()
    const copy = join(directory, 'copy')
    const acknowledged: string[] = []
    let before = 0
    {
      await using gateway = await startGateway({ yaml: yaml(bot.url) })
      const backUp = () =>
        dragoman(
          'backup',
          copy,
          '--config',
          join(gateway.directory, 'gateway.yaml'),
          '--data',
          join(gateway.directory, 'data'),
        )
      const talk = new AbortController()
      const talking = (async () => {
        for (let count = 1; !talk.signal.aborted; count++) {
          expect((await say(gateway.base, `q${count}`)).status).toBe(202)
          acknowledged.push(`q${count}`)
        }
      })()
      await until(() => (acknowledged.length >= 50 ? true : undefined))
      before = acknowledged.length
      const made = await backUp()
      talk.abort()
      await talking
      expect(made).toMatchObject({ status: 0, stderr: '', stdout: expect.stringContaining(`--data ${copy}`) })
      // A mistake beside `data` and `store` stands in no copy's way.
      await appendFile(join(gateway.directory, 'gateway.yaml'), 'foo: 1\n')
      expect((await backUp()).stderr).toContain('holds a store already: name a new folder')
    }
    expect(await readdir(copy)).toStrictEqual(['dragoman.db'])
    expect((await stat(join(copy, 'dragoman.db'))).mode & 0o077).toBe(0)
    const life = await folder()
    await rename(copy, join(life, 'data'))
    await using restored = await startGateway({ yaml: yaml(bot.url), directory: life })
    const there = new Set(texts(await readLog(restored.base, 'web:ann')))
    expect(acknowledged.slice(0, before).filter((text) => !there.has(`inbound: ${text}`))).toStrictEqual([])
    expect((await say(restored.base, 'after')).status).toBe(202)
    await until(() => (restored.log().includes('the store was restored or moved') ? true : undefined))
  },
)

test('a copy put in the place of the file of a gateway that is stopped is that gateway’s store again, its other files stay', async () => {
  await using bot = await startBot(() => ({ body: { text: 'yes' } }))
  const life = await folder()
  const data = join(life, 'data')
  const copy = join(life, 'copy')
  const options = { yaml: yaml(bot.url), directory: life }
  {
    await using gateway = await startGateway(options)
    expect((await say(gateway.base, 'kept')).status).toBe(202)
    expect(
      await dragoman('backup', copy, '--config', join(life, 'gateway.yaml'), '--data', data),
    ).toMatchObject({ status: 0 })
    expect((await say(gateway.base, 'lost')).status).toBe(202)
    await gateway.stop()
  }
  const token = await readFile(join(data, 'admin.token'), 'utf8')
  for (const beside of ['', '-wal', '-shm']) await rm(join(data, `dragoman.db${beside}`), { force: true })
  await rename(join(copy, 'dragoman.db'), join(data, 'dragoman.db'))
  await using restored = await startGateway(options)
  const there = texts(await readLog(restored.base, 'web:ann'))
  expect([there.includes('inbound: kept'), there.includes('inbound: lost')]).toStrictEqual([true, false])
  await until(() => (restored.log().includes('the store was restored or moved') ? true : undefined))
  expect(await readFile(join(data, 'admin.token'), 'utf8')).toBe(token)
})

test('without a store, or with a damaged one, there is no copy; a gateway does not start on a damaged copy', async () => {
  const directory = await folder()
  const config = join(directory, 'gateway.yaml')
  await writeFile(config, yaml('http://127.0.0.1:1/'))
  const data = join(directory, 'data')
  const target = join(directory, 'copy')
  const backUp = () => dragoman('backup', target, '--config', config, '--data', data)
  expect((await backUp()).stderr).toContain('there is no store in')
  {
    await using store = await openSqliteStore({ directory: data })
    await Promise.all(Array.from({ length: 2000 }, (_, count) => store.accept(accept(`a${count}`))))
  }
  const moved = { id: 'm1', other: 'redis://127.0.0.1:1', since: '2026-01-31T09:00:00Z', incarnation: 'i' }
  writeMark(data, { state: 'moved', ...moved })
  expect((await backUp()).stderr).toContain('was moved to redis://127.0.0.1:1')
  dropMark(data)
  const torn = join(directory, 'torn')
  await mkdir(torn)
  await copyFile(join(data, 'dragoman.db'), join(torn, 'dragoman.db'))
  await damage(join(torn, 'dragoman.db'))
  await expect(openSqliteStore({ directory: torn })).rejects.toThrow('is a damaged copy')
  await damage(join(data, 'dragoman.db'))
  expect((await backUp()).stderr).toMatch(/damaged|malformed/)
  expect(await readdir(target)).toStrictEqual([])
})

test('of two into one folder one is refused and the other makes its copy; what a killed one has left is no hindrance', async () => {
  const directory = await folder()
  const config = join(directory, 'gateway.yaml')
  await writeFile(config, yaml('http://127.0.0.1:1/'))
  const data = join(directory, 'data')
  {
    await using store = await openSqliteStore({ directory: data })
    await Promise.all(Array.from({ length: 5000 }, (_, count) => store.accept(accept(`a${count}`))))
  }
  const backUp = (to: string) => dragoman('backup', join(directory, to), '--config', config, '--data', data)
  const folders = ['one', 'two', 'three']
  for (const to of folders) {
    await mkdir(join(directory, to))
    for (const left of ['dragoman.db.part', 'dragoman.db.part.lock'])
      await writeFile(join(directory, to, left), '')
    const both = await Promise.all([backUp(to), backUp(to)])
    const [said, ...others] = both.filter(({ stderr }) => stderr !== '')
    expect([said?.stderr, others]).toEqual([
      expect.stringMatching(/another backup into .* is under way|holds a store already/u),
      [],
    ])
    expect(await readdir(join(directory, to))).toStrictEqual(['dragoman.db'])
  }
})

test('a backup under way is told to the next one, and its part is left alone', async () => {
  const directory = await folder()
  const data = join(directory, 'data')
  const to = join(directory, 'copy')
  await (await openSqliteStore({ directory: data }))[Symbol.asyncDispose]()
  await mkdir(to)
  await writeFile(join(to, 'dragoman.db.part'), 'half')
  {
    using _held = lockFile(join(to, 'dragoman.db.part.lock'), '')
    expect(() => copyStore(data, to)).toThrow(`another backup into "${to}" is under way`)
    expect(await readFile(join(to, 'dragoman.db.part'), 'utf8')).toBe('half')
  }
  expect(copyStore(data, to).file).toBe(join(to, 'dragoman.db'))
  expect(await readdir(to)).toStrictEqual(['dragoman.db'])
})

test('a folder that cannot be made, or has no name, is refused at once', async () => {
  const directory = await folder()
  const config = join(directory, 'gateway.yaml')
  await writeFile(config, yaml('http://127.0.0.1:1/'))
  const data = join(directory, 'data')
  await (await openSqliteStore({ directory: data }))[Symbol.asyncDispose]()
  const backUpTo = async (to: string) =>
    (await dragoman('backup', to, '--config', config, '--data', data)).stderr
  expect(await backUpTo('/proc/none/copy')).toContain('"/proc/none/copy" for the store cannot be made')
  expect(await backUpTo('')).toBe('dragoman: name a folder for the copy: it is empty\n')
  const copy = join(directory, 'a', 'b')
  expect(await backUpTo(copy)).toBe('')
  expect((await stat(join(directory, 'a'))).mode & 0o077).toBe(0)
})

/** Writes the pages of one part of the file over those of another. */
async function damage(file: string): Promise<void> {
  await using handle = await open(file, 'r+')
  const { size } = await handle.stat()
  const pages = Math.floor(size / 4096)
  const page = Buffer.alloc(4096 * 20)
  await handle.read(page, 0, page.byteLength, 4096 * Math.floor(pages / 3))
  await handle.write(page, 0, page.byteLength, 4096 * Math.floor(pages / 2))
}
