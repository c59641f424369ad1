// What a log line may show while one generation follows another.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { builtInNames } from '../../../../bin/adapters.ts'
import { Reloads } from '../../../../bin/start/reloads.ts'
import { createLog } from '../../../../core/log/log.ts'
import { Plugins } from '../../../../core/plugins/plugins.ts'

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
