// What a log line may show while one generation follows another.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { builtInNames } from '../../../bin/adapters.ts'
import { Reloads } from '../../../bin/reloads.ts'
import { createLog } from '../../../core/log.ts'
import { Plugins } from '../../../core/plugins/plugins.ts'

const yaml = (token: string): string => `
channels: { w: { adapter: wechat, path: /w, appId: wx1, token: ${token} } }
agents: { a: { adapter: webhook, url: "http://127.0.0.1:9/", secret: kept-secret } }
routes: [{ agent: a }]
`

test('a secret is shown by no line as long as a generation that has it runs, or was loaded last', async () => {
  await using disposer = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'dragoman-reloads-'))
  disposer.defer(() => rm(directory, { recursive: true }))
  const file = join(directory, 'gateway.yaml')
  let written = ''
  const log = createLog({ level: 'info', write: (lines) => (written += lines) })
  const shown = (text: string): boolean => {
    written = ''
    log.child('test').info(text)
    return written.includes(text)
  }
  await writeFile(file, yaml('token-of-start'))
  const plugins = disposer.use(new Plugins({ log, builtIn: builtInNames }))
  const reloads = await Reloads.begin({ file, overrides: { data: join(directory, 'data') }, plugins, log })
  const runs = (number: number) => reloads.reload(async () => ({ number }), {})

  await runs(1)
  await writeFile(file, yaml('token-second'))
  await runs(2)
  reloads.retired(1)
  await writeFile(file, yaml('token-refused'))
  await expect(
    reloads.reload(async () => {
      expect(shown('token-second')).toBe(false)
      throw new Error('the channel does not start')
    }, {}),
  ).rejects.toThrow('does not start')
  for (const secret of ['token-of-start', 'token-second', 'token-refused', 'kept-secret'])
    expect(shown(secret), secret).toBe(false)

  await writeFile(file, yaml('token-third'))
  await runs(3)
  for (const secret of ['token-of-start', 'token-second', 'token-third'])
    expect(shown(secret), secret).toBe(false)
  reloads.retired(2)
  expect(shown('token-second')).toBe(true)
  expect(shown('token-refused')).toBe(true)
  expect(shown('token-third')).toBe(false)
})
