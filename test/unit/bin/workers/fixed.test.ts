// What a worker has in common with its siblings, and which of the file's changes it may not begin with beside them.
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { builtInNames } from '../../../../bin/adapters.ts'
import { loadWithoutPlugins } from '../../../../bin/config-file.ts'
import { FIXED } from '../../../../bin/generations/plan-parts.ts'
import { Reloads } from '../../../../bin/start/reloads.ts'
import { fixedOf, refuseAnother, withFixed } from '../../../../bin/workers/fixed.ts'
import type { Fixed } from '../../../../bin/workers/fixed.ts'
import type { Config } from '../../../../config/load.ts'
import { createLog } from '../../../../core/log/log.ts'
import { Plugins } from '../../../../core/plugins/plugins.ts'
import { temporaryDirectory } from '../../../support/gateway.ts'

const OF_THE_START = `
http: { host: 127.0.0.1, port: 8081, publicUrl: "https://desk.example", trustedProxies: [10.0.0.0/8] }
data: ./data
identity: { keys: { shop: { key: key-of-the-start-of-all, channels: [web] } }, customers: { secret: "${'s'.repeat(32)}" } }
admin: { token: token-of-the-start-of-all }
log: { level: warn }
store: { url: "redis://:password-of-the-start@127.0.0.1:6379/2" }
channels: { web: { adapter: rest } }
`
const LATER = `
http: { bodyLimit: 64kb }
data: ./elsewhere
store: { url: "redis://:another-password@127.0.0.1:6380/2", dedupe: 3h }
channels: { web: { adapter: rest } }
`

async function configs(...texts: readonly string[]) {
  const directory = await temporaryDirectory()
  onTestFinished(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }))
  const file = join(directory, 'gateway.yaml')
  const read: Config[] = []
  for (const text of texts) {
    await writeFile(file, text)
    read.push(await loadWithoutPlugins(file, {}))
  }
  return { file, read }
}

/** By the pipe between two processes. */
const sent = (config: Config): Fixed => JSON.parse(JSON.stringify(fixedOf(config))) as Fixed // it was one

test('whatever is read at the start alone is the siblings’, a section that they do not have as well; their secrets are masked', async () => {
  const [one, other] = (await configs(OF_THE_START, LATER)).read
  if (one === undefined || other === undefined) throw new Error('there are two')
  for (const [here, there] of [
    [other, one],
    [one, other],
  ] as const) {
    const merged = withFixed(here, sent(there))
    for (const [section, of] of Object.entries(FIXED)) expect(of(merged), section).toEqual(of(there))
    expect(merged.channels).toBe(here.channels)
    expect(merged.secrets).toEqual(expect.arrayContaining([...one.secrets, ...other.secrets]))
  }
  expect(withFixed(one, undefined)).toBe(one)
})

test('a worker says which changes of the file wait for the next start, and nothing of what is the same', async () => {
  const { file, read } = await configs(OF_THE_START, OF_THE_START.replace('level: warn', 'level: error'))
  const [first] = read
  if (first === undefined) throw new Error('there is one')
  let written = ''
  const log = createLog({ level: 'info', write: (lines) => (written += lines) })
  await using plugins = new Plugins({ log, builtIn: builtInNames })
  const reloads = await Reloads.begin({ file, overrides: {}, plugins, log, worker: 1, fixed: sent(first) })
  expect(reloads.config.log).toEqual({ level: 'warn' })
  await reloads.reload(async () => ({ number: 1 }), {})
  const said = [...written.matchAll(/the change of \\"(\w+)\\" is used after the next start/gu)]
  expect(said.map(([, section]) => section)).toEqual(['log'])
})

test.each([
  ['redis://127.0.0.1:6379', 'redis://127.0.0.1:6380', 'store.url'],
  ['redis://127.0.0.1:6379', 'redis://127.0.0.1:6379/1', 'store.url'],
  ['redis://127.0.0.1:6379', undefined, 'store.url'],
  ['redis+sentinel://a,b/one', 'redis+sentinel://a,b/other', 'store.url'],
  ['redis://127.0.0.1', 'redis://user:new@127.0.0.1:6379/0', undefined],
  ['redis+sentinel://a,b/one', 'redis+sentinel://b,c/one', undefined],
  ['redis+cluster://a,b', 'redis+cluster://c,a', undefined],
])('beside workers on %s one on %s: %s is in the way', async (one, other, section) => {
  const config = (await configs(OF_THE_START)).read[0]
  if (config === undefined) throw new Error('there is one')
  const { url: _, ...store } = config.store
  const on = (url: string | undefined): Config => ({
    ...config,
    store: { ...store, ...(url !== undefined && { url }) },
  })
  const check = (): void => refuseAnother(on(other), sent(on(one)))
  if (section === undefined) expect(check).not.toThrow()
  else expect(check).toThrow(`${section} is not what the workers that run have`)
  expect(() => refuseAnother({ ...config, dataDirectory: '/elsewhere' }, sent(config))).toThrow(
    /^data is not/u,
  )
  expect(() => refuseAnother(on(other), undefined)).not.toThrow()
})

test('a worker that would listen elsewhere than those beside it is refused by its own name', async () => {
  const config = (await configs(OF_THE_START)).read[0]
  if (config === undefined) throw new Error('there is one')
  for (const [name, value] of [
    ['port', 8082],
    ['host', '0.0.0.0'],
  ] as const)
    expect(() => refuseAnother({ ...config, http: { ...config.http, [name]: value } }, sent(config))).toThrow(
      `http.${name} is not what the workers that run have, and the workers of one supervisor listen at one place: stop this one`,
    )
})
