// A data folder that cannot be used: another user's, or none at all. One line, and no stack.
import { spawnSync } from 'node:child_process'
import { chmod, chown, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openSqliteStore } from '../../core/store/sqlite.ts'
import { startGateway, temporaryDirectory, until } from '../support/gateway.ts'

const SLOWLY_MS = 60_000
const BIN = resolve(import.meta.dirname, '../../bin/dragoman.ts')
const NOBODY = 65_534

const COMMANDS = [
  ['start', '--port', '0'],
  ['breaker'],
  ['trace', '01900000-0000-7000-8000-000000000000'],
  ['dead', 'list'],
  ['plan'],
] as const

async function folder(): Promise<{ readonly config: string; readonly data: string }> {
  const directory = await temporaryDirectory()
  onTestFinished(() => rm(directory, { recursive: true }))
  await chmod(directory, 0o755)
  const config = join(directory, 'gateway.yaml')
  await writeFile(config, 'channels: { web: { adapter: rest } }\n')
  return { config, data: join(directory, 'data') }
}

function run(
  words: readonly string[],
  uid?: number,
): { readonly status: number | null; readonly errors: string } {
  const { status, stderr } = spawnSync(process.execPath, [BIN, ...words], {
    encoding: 'utf8',
    timeout: 20_000,
    ...(uid !== undefined && { uid, gid: uid, cwd: '/' }),
  })
  return { status, errors: stderr }
}

test(
  'the data of another user are said to be that, by every command',
  { timeout: SLOWLY_MS, skip: process.getuid?.() !== 0 },
  async () => {
    const { config, data } = await folder()
    await mkdir(data, { mode: 0o700 })
    const told = {
      status: 1,
      errors: `dragoman: the data in ${data} belong to another user: ask as the gateway's user\n`,
    }
    for (const words of COMMANDS)
      expect(run([...words, '--config', config, '--data', data], NOBODY), words[0]).toEqual(told)
    expect(run(['migrate', '--from', data, '--to', 'redis://127.0.0.1:1'], NOBODY)).toEqual(told)
    // A folder that anybody may enter, with an address that the gateway left for its user alone.
    await chmod(data, 0o777)
    await writeFile(join(data, 'gateway.url'), 'http://127.0.0.1:1\n', { mode: 0o600 })
    expect(run(['breaker', '--config', config, '--data', data], NOBODY)).toEqual(told)
  },
)

test(
  'a store of which some files are another user’s: whose each is, and the store stays what it was',
  { timeout: SLOWLY_MS, skip: process.getuid?.() !== 0 },
  async () => {
    const { config, data } = await folder()
    const known = await (async () => {
      await using store = await openSqliteStore({ directory: data })
      return store.incarnation
    })()
    await mkdir(join(data, 'generations'), { mode: 0o700 })
    await chown(data, NOBODY, NOBODY)
    for (const name of await readdir(data)) await chown(join(data, name), NOBODY, NOBODY)
    const asNobody = (...words: readonly string[]) =>
      run([...words, '--config', config, '--data', data], NOBODY)
    const start = ['start', '--port', '0'] as const
    for (const [name, mode, words, said] of [
      ['dragoman.db', '0600', ['dead', 'list'], `the store in "${data}" cannot be opened: `],
      ['dragoman.db', '0644', start, ''],
      ['dragoman.witness', '0600', start, ''],
      ['generations', '0700', start, ''],
    ] as const) {
      const file = join(data, name)
      await chown(file, 0, 0)
      await chmod(file, Number.parseInt(mode, 8))
      const whose = `${file} belongs to user 0 (mode ${mode}) and this process runs as user ${NOBODY}: chown it`
      expect(asNobody(...words)).toEqual({ status: 1, errors: `dragoman: ${said}${whose}\n` })
      await chown(file, NOBODY, NOBODY)
    }
    await chmod(data, 0o555)
    expect(asNobody(...start).errors).toContain(`${data} has the mode 0555`)
    await chmod(data, 0o700)
    await using store = await openSqliteStore({ directory: data })
    expect(store.incarnation).toBe(known)
  },
)

test(
  'nothing that another user has put into a folder is believed: by no start whose config has a mistake, no backup and no migration',
  { timeout: SLOWLY_MS, skip: process.getuid?.() !== 0 },
  async () => {
    const { config, data } = await folder()
    await writeFile(config, 'channels: { web: { adapter: rest, path: "${NOT_SET_ANYWHERE}" } }\n')
    await mkdir(data)
    await chmod(data, 0o777)
    for (const name of ['generations', 'dragoman.db']) {
      const planted = join(data, name)
      if (name === 'generations') await mkdir(planted, { mode: 0o755 })
      else await writeFile(planted, '', { mode: 0o644 })
      await chown(planted, NOBODY, NOBODY)
      for (const words of [
        ['start', '--port', '0', '--config', config, '--data', data],
        ['backup', join(data, '../copy'), '--config', config, '--data', data],
        ['migrate', '--from', data, '--to', 'redis://127.0.0.1:1'],
      ]) {
        const { status, errors } = run(words)
        expect([status, errors], words[0]).toEqual([
          1,
          expect.stringContaining(`dragoman: ${planted} belongs to user ${NOBODY}, and everybody may write`),
        ])
      }
      await rm(planted, { recursive: true })
    }
  },
)

test(
  'a file in place of the folder is said to be one, by every command',
  { timeout: SLOWLY_MS },
  async () => {
    const { config, data } = await folder()
    await writeFile(data, '')
    const told = { status: 1, errors: `dragoman: ${data} is a file: wanted is the folder of the data\n` }
    for (const words of COMMANDS)
      expect(run([...words, '--config', config, '--data', data]), words[0]).toEqual(told)
    expect(run(['migrate', '--from', data, '--to', 'redis://127.0.0.1:1'])).toEqual(told)
  },
)

test('an empty admin token is told with what to do', { timeout: SLOWLY_MS }, async () => {
  const { config, data } = await folder()
  await mkdir(data)
  await writeFile(join(data, 'admin.token'), '')
  await writeFile(join(data, 'gateway.url'), 'http://127.0.0.1:1\n')
  const told = {
    status: 1,
    errors: expect.stringMatching(
      /(?:^|\n)dragoman: \/.*\/admin\.token holds no usable admin token: delete it, .*\n$/u,
    ),
  }
  for (const words of [['start', '--port', '0'], ['breaker']]) {
    const ended = run([...words, '--config', config, '--data', data])
    expect(ended).toEqual(told)
    expect(ended.errors).not.toContain('    at ')
  }
})

test(
  'what it stores is for its own user alone, also in a folder that everybody may enter, and where an earlier version left it open',
  { timeout: SLOWLY_MS, skip: process.platform === 'win32' },
  async () => {
    const directory = await temporaryDirectory()
    onTestFinished(() => rm(directory, { recursive: true }))
    const data = join(directory, 'data')
    await mkdir(data, { mode: 0o755 })
    const yaml = `
channels: { web: { adapter: rest } }
backends: { orders: { adapter: rest, url: "http://127.0.0.1:9", operations: { Look: { method: GET, path: /, safe: true, cache: { fresh: 1s, stale: 1h } } } } }
routes: [{ backend: orders }]
`
    const warned = `everybody on this machine may write ${data}, so anybody may take away or rename what`
    const files = async (): Promise<readonly string[]> =>
      (await readdir(data, { withFileTypes: true }))
        .filter((entry) => entry.isFile())
        .map(({ name }) => join(data, name))
    for (const life of ['first', 'second']) {
      await using gateway = await startGateway({ yaml, directory })
      if (life === 'first') expect(gateway.log()).not.toContain('everybody')
      else await until(async () => (gateway.log().includes(warned) ? true : undefined)) // a log comes by its own pipe
      await fetch(`${gateway.base}/v1/events`, {
        method: 'POST',
        headers: { 'content-type': 'application/cloudevents+json' },
        body: JSON.stringify({ specversion: '1.0', id: life, source: 'till', type: 'sold' }),
      })
      const left = await files()
      expect(left.map((file) => basename(file))).toEqual(
        expect.arrayContaining(['dragoman.db', 'dragoman.db-wal', 'dragoman.lock', 'cache.db']),
      )
      for (const file of left) expect((await stat(file)).mode & 0o077, file).toBe(0)
      await gateway.kill()
      await chmod(data, 0o777)
      for (const file of left) if (/(?:\.db|\.db-wal|dragoman\.lock)$/u.test(file)) await chmod(file, 0o644)
    }
  },
)
