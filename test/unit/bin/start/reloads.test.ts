// What a log line may show while one generation follows another, and what a start goes on with that had gone back to one.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { builtInNames } from '../../../../bin/adapters.ts'
import type { Loaded } from '../../../../bin/config-file.ts'
import { Reloads } from '../../../../bin/start/reloads.ts'
import { createLog } from '../../../../core/log/log.ts'
import { Plugins } from '../../../../core/plugins/plugins.ts'
import { testScope } from '../../../../core/testing.ts'
import { temporaryDirectory } from '../../../support/gateway.ts'
import { versioned } from '../../../support/plugin-sources.ts'

const yaml = (token: string): string => `
channels: { w: { adapter: wechat, path: /w, appId: wx1, token: ${token} } }
agents: { a: { adapter: webhook, url: "http://127.0.0.1:9/", secret: kept-secret } }
routes: [{ agent: a }]
`

/** What `dragoman start` loads by, over a config file of its own. */
async function openReloads(text: string) {
  await using disposer = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'dragoman-reloads-'))
  disposer.defer(() => rm(directory, { recursive: true }))
  const file = join(directory, 'gateway.yaml')
  let written = ''
  const log = createLog({ level: 'info', write: (lines) => (written += lines) })
  await writeFile(file, text)
  const plugins = disposer.use(new Plugins({ log, builtIn: builtInNames }))
  const reloads = await Reloads.begin({ file, overrides: { data: join(directory, 'data') }, plugins, log })
  const kept = disposer.move()
  return {
    reloads,
    write: (changed: string) => writeFile(file, changed),
    runs: (number: number) => reloads.reload(async () => ({ number }), {}),
    isShown: (secret: string): boolean => {
      written = ''
      log.child('test').info(secret)
      return written.includes(secret)
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

test('a secret is shown by no line as long as a generation that has it runs, or was loaded last', async () => {
  await using house = await openReloads(yaml('token-of-start'))
  const { reloads, write, runs, isShown } = house
  await runs(1)
  await write(yaml('token-second'))
  await runs(2)
  reloads.retired(1)
  await write(yaml('token-refused'))
  await expect(
    reloads.reload(async () => {
      expect(isShown('token-second')).toBe(false)
      throw new Error('the channel does not start')
    }, {}),
  ).rejects.toThrow('does not start')
  for (const secret of ['token-of-start', 'token-second', 'token-refused', 'kept-secret'])
    expect(isShown(secret), secret).toBe(false)

  await write(yaml('token-third'))
  await runs(3)
  for (const secret of ['token-of-start', 'token-second', 'token-third'])
    expect(isShown(secret), secret).toBe(false)
  reloads.retired(2)
  expect(isShown('token-second')).toBe(true)
  expect(isShown('token-refused')).toBe(true)
  expect(isShown('token-third')).toBe(false)
})

test.each(['', '# nothing yet\n', '---\n'])(
  'a file that is emptied while it is saved changes nothing: %j',
  async (empty) => {
    await using house = await openReloads(yaml('a-token'))
    await house.runs(1)
    await house.write(empty)
    await expect(house.runs(2)).rejects.toThrow('the file is empty; the running generation goes on')
    await house.write('{}')
    expect(await house.runs(2)).toEqual({ number: 2 })
  },
)

test('a start takes an empty file: everything is as by default', async () => {
  await using house = await openReloads('')
  expect(house.reloads.config.channels).toEqual({})
})

test('DESIGN §9: a generation that was gone back to holds over a start while a system of its plugins is away, until that is back', async () => {
  const directory = await temporaryDirectory()
  onTestFinished(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }))
  const file = join(directory, 'gateway.yaml')
  const away = join(directory, 'away')
  const save = (version: number): Promise<void> => {
    const start = `async start() { if ((await import('node:fs')).existsSync('${away}')) throw new Error('away') },`
    const source = versioned('sy', version).replace('call:', `${start} call:`)
    return writeFile(join(directory, 'plugins/sy.ts'), source)
  }
  await mkdir(join(directory, 'plugins'))
  await writeFile(file, 'backends: { sy: { adapter: sy } }')
  await save(1)
  const log = createLog({ level: 'error', write: () => undefined })
  const openLife = async () => {
    const plugins = new Plugins({ log, builtIn: builtInNames, onAgain: async () => undefined })
    onTestFinished(() => plugins[Symbol.asyncDispose]())
    return {
      plugins,
      reloads: await Reloads.begin({ file, overrides: { data: join(directory, 'data') }, plugins, log }),
    }
  }
  /** The hash of the version that took over last, undefined: something stands in for it. */
  let runs: string | undefined
  const take =
    (number: number) =>
    async ({ adapters, config, plugins }: Loaded): Promise<{ readonly number: number }> => {
      await using backend = adapters.get('sy')?.backend?.create(config.backends['sy']?.config, testScope())
      await backend?.start?.(new AbortController().signal)
      runs = plugins.plugins.find(({ adapter }) => adapter !== undefined)?.hash
      return { number }
    }

  const before = await openLife()
  await before.reloads.reload(take(1), {})
  const first = runs
  await save(2)
  await before.reloads.reload(take(2), {})
  expect(runs).not.toBe(first)
  await before.reloads.reload(take(3), { rollbackTo: 1 })
  expect(runs).toBe(first)
  await before.plugins[Symbol.asyncDispose]()

  await writeFile(away, '')
  const { reloads, plugins } = await openLife()
  await reloads.reload(take(4), {})
  expect([runs, reloads.admin.list().rolledBackTo]).toEqual([undefined, 1])
  const again = { isDropIn: true, isAgain: true, isRetry: true }
  plugins.forgive()
  await expect(reloads.reload(take(5), again)).rejects.toThrow('away')
  await rm(away)
  plugins.forgive()
  await reloads.reload(take(5), again)
  expect([runs, reloads.admin.list().rolledBackTo]).toEqual([first, 1])
})
