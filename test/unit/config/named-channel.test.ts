// `channel: NAME` in a backend (DESIGN §16 "WeChat"): the adapter gets the account, mistakes are named where they stand.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadBuiltIn } from '../../../bin/adapters.ts'
import { accountOf } from '../../../adapters/wechat/config.ts'
import type { BackendConfig } from '../../../adapters/wechat/config.ts'
import type { Config } from '../../../config/config.ts'
import { configJsonSchema } from '../../../config/json-schema.ts'
import { readConfig, resolveConfig } from '../../../config/load.ts'
import { ConfigError } from '../../../config/problems.ts'

const adapters = new Map((await loadBuiltIn()).map((adapter) => [adapter.name, adapter]))

async function load(text: string): Promise<Config> {
  const folder = await mkdtemp(join(tmpdir(), 'dragoman-named-'))
  try {
    const file = join(folder, 'gateway.yaml')
    await writeFile(file, text)
    return resolveConfig(await readConfig(file, { env: {} }), adapters)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function problems(text: string): Promise<readonly string[]> {
  const error = await load(text).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  return error instanceof ConfigError ? error.problems.map(({ message }) => message) : []
}

const wechat = (secret: string): string => `
channels:
  main: { adapter: wechat, appId: wx0000000000000001, token: t1, secret: "${secret}", apiBase: "http://127.0.0.1:9/" }
  web: { adapter: rest }
`

test('the account is the channel’s, and the backend changes when the channel does', async () => {
  const text = `${wechat('s1')}backends: { platform: { adapter: wechat, channel: main } }`
  const { backends, channels } = await load(text)
  expect(accountOf(backends['platform']?.config as BackendConfig)).toEqual({
    product: 'official',
    appId: 'wx0000000000000001',
    secret: 's1',
    apiBase: 'http://127.0.0.1:9',
  })
  const same = await load(text)
  expect(same.backends['platform']?.hash).toBe(backends['platform']?.hash)
  const other = await load(`${wechat('s2')}backends: { platform: { adapter: wechat, channel: main } }`)
  expect(other.backends['platform']?.hash).not.toBe(backends['platform']?.hash)
  expect(other.channels['web']?.hash).toBe(channels['web']?.hash)
})

test('its own secret, address and agent are stronger; product and appId are the channel’s alone', async () => {
  const { backends } = await load(
    `${wechat('')}backends: { platform: { adapter: wechat, channel: main, secret: own, apiBase: "http://127.0.0.1:8" } }`,
  )
  expect(accountOf(backends['platform']?.config as BackendConfig)).toMatchObject({
    appId: 'wx0000000000000001',
    secret: 'own',
    apiBase: 'http://127.0.0.1:8',
  })
  expect(
    await problems(`${wechat('s')}backends: { platform: { adapter: wechat, channel: main, appId: wx2 } }`),
  ).toEqual(['backends.platform.appId: "wx2": comes from channel "main": leave one of the two out'])
})

test.each([
  ['channel: mian', 'backends.platform.channel: no channel is named "mian" (did you mean "main"?)'],
  ['channel: web', 'backends.platform.channel: channel "web" has the adapter "rest", not "wechat"'],
  ['channel: 7', 'backends.platform.channel: 7: must be the name of a wechat channel'],
  [
    'channel: main',
    'backends.platform.secret: is missing here and in channel "main": the platform’s API cannot be called',
  ],
])('%s is reported where it stands', async (key, problem) => {
  expect(await problems(`${wechat('')}backends: { platform: { adapter: wechat, ${key} } }`)).toEqual([
    problem,
  ])
})

const mqtt = (more = ''): string => `
channels:
  devices: { adapter: mqtt, port: 0${more} }
  web: { adapter: rest }
`
const asking = (channel: string, replyTopic = 'lamp/{no}/done'): string =>
  `backends: { lamps: { adapter: mqtt, channel: ${channel}, operations: { do: { topic: 'lamp/{no}', replyTopic: '${replyTopic}' } } } }`

test.each([
  ['device', 'backends.lamps.channel: no channel is named "device" (did you mean "devices"?)'],
  ['web', 'backends.lamps.channel: channel "web" has the adapter "rest", not "mqtt"'],
  ['7', 'backends.lamps.channel: 7: must be the name of an mqtt channel'],
])('an MQTT backend’s channel %s is reported where it stands', async (channel, problem) => {
  expect(await problems(mqtt() + asking(channel))).toEqual([problem])
})

test('an MQTT backend changes with its channel, and has its url: what is asked over a bridge comes back', async () => {
  const { backends } = await load(mqtt() + asking('devices', 'lamp/{no}'))
  expect(backends['lamps']?.config).toMatchObject({ channel: { id: 'devices', config: { port: 0 } } })
  const changed = await load(mqtt(', connections: 7') + asking('devices', 'lamp/{no}'))
  expect(changed.backends['lamps']?.hash).not.toBe(backends['lamps']?.hash)
  const bridge = `
channels: { devices: { adapter: mqtt, url: 'mqtt://127.0.0.1:1', topics: { 'a/b': { kind: event } } } }
`
  expect(await problems(bridge + asking('devices', 'lamp/{no}'))).toEqual([
    expect.stringContaining(
      'backends.lamps.operations.do.replyTopic: "lamp/{no}" is the topic of the question',
    ),
  ])
})

test('a channel with a problem of its own is reported once, there', async () => {
  const text = `
channels: { main: { adapter: wechat, token: "", appId: wx1, secret: s } }
backends: { platform: { adapter: wechat, channel: main } }`
  expect(await problems(text)).toEqual([
    'channels.main.token: must not be empty: with an empty token anybody could sign',
  ])
})

test('editors see a name there', () => {
  const schema = JSON.stringify(configJsonSchema(adapters))
  expect(schema).toContain('"format":"channel"')
})
