// Devices of mapped topics and several gateways on one Redis: an answer reaches the device wherever it is, and waits where it is nowhere.
import { spawn } from 'node:child_process'
import { connectAsync } from 'mqtt'
import type { MqttClient } from 'mqtt'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startBot, textOf } from '../support/bot.ts'
import type { Bot } from '../support/bot.ts'
import { until } from '../support/gateway.ts'
import { ADMIN_TOKEN, Instances } from '../support/instances.ts'
import type { Instance } from '../support/instances.ts'
import { stopwatch } from '../support/processor.ts'

const yaml = (redis: string, bot: string): string => `
channels:
  devices:
    adapter: mqtt
    port: 0
    subscribe: ['shop/{client}/display']
    topics:
      'shop/+/say': { kind: message, sender: "topic[1]", reply: "'shop/' & topic[1] & '/display'" }
agents: { bot: { adapter: webhook, url: "${bot}", timeout: 60s } }
routes: [{ agent: bot }]
lanes: { hold: 500ms }
store: { url: "${redis}" }
admin: { token: ${ADMIN_TOKEN} }
`
/** Well below the 30 s after which a reply looks for its device by itself, and the lanes for work. */
const AT_ONCE_MS = 8000

let bot: Bot
let instances: Instances
let a: Instance
let b: Instance
beforeAll(async () => {
  bot = await startBot((asked) => ({ body: { text: `echo ${textOf(asked)}` } }))
  instances = await Instances.start(2, (redis) => yaml(redis, bot.url))
  await instances.shared(2)
  const [first, second] = await instances.list()
  if (first === undefined || second === undefined) throw new Error('there are not two')
  a = first
  b = second
}, 120_000)
afterAll(async () => {
  await instances[Symbol.asyncDispose]()
  await bot[Symbol.asyncDispose]()
})

const portOf = ({ gateway }: Instance): number =>
  (JSON.parse(gateway.output().split('\n')[0] ?? '') as { readonly mqtt: number }).mqtt // DESIGN §10, the ready line

/** A device whose conversation is worked on by that instance. */
const deviceOf = (worker: Instance, prefix: string): Promise<string> =>
  instances.nameAt(worker, prefix, (name) => `devices/${name}`)

interface Device {
  readonly client: MqttClient
  readonly texts: string[]
}

async function connect(to: Instance, name: string, isListening = true): Promise<Device> {
  const client = await connectAsync(`mqtt://127.0.0.1:${portOf(to)}`, { clientId: name, reconnectPeriod: 0 })
  client.on('error', () => undefined)
  const texts: string[] = []
  client.on('message', (_topic, payload) => texts.push(JSON.parse(payload.toString()).data.parts[0].text))
  if (isListening) await client.subscribeAsync(`shop/${name}/display`, { qos: 1 })
  return { client, texts }
}

test('mosquitto_sub on one, the conversation on the other: it gets the answer at once', async () => {
  const name = await deviceOf(b, 'mosquitto')
  const words = `-oL mosquitto_sub -p ${portOf(a)} -i ${name} -q 1 -C 1 -d -t shop/${name}/display`
  const listener = spawn('stdbuf', words.split(' ')) // it is read line by line
  let output = ''
  listener.stdout.on('data', (piece) => (output += String(piece)))
  const closed = new Promise((resolve) => listener.once('close', resolve))
  await until(() => output.includes('Subscribed') || undefined)
  const speaker = await connect(b, `${name}-speaker`, false)
  const watch = stopwatch(a.gateway.pid, b.gateway.pid)
  await speaker.client.publishAsync(`shop/${name}/say`, '{"id":"1","text":"hello"}', { qos: 1 })
  expect(await closed).toBe(0)
  expect(watch()).toBeLessThan(AT_ONCE_MS)
  expect(output).toContain('"text":"echo hello"')
  await speaker.client.endAsync(true)
})

test('a device that was away longer than `hold` gets all answers, in order, when it is back, on whichever instance', async () => {
  const name = await deviceOf(a, 'subway')
  const before = await connect(a, name)
  await before.client.publishAsync(`shop/${name}/say`, '{"id":"0","text":"zero"}', { qos: 1 })
  await until(() => before.texts.length === 1 || undefined)
  before.client.stream.destroy() // no DISCONNECT: the line broke
  const speaker = await connect(b, `${name}-speaker`, false)
  const words = Array.from({ length: 12 }, (_, n) => `word ${n}`)
  for (const [n, text] of words.entries())
    await speaker.client.publishAsync(`shop/${name}/say`, JSON.stringify({ id: `w${n}`, text }), { qos: 1 })
  await until(() => bot.asked.some((asked) => textOf(asked) === words.at(-1)) || undefined)
  const away = performance.now()
  await until(() => performance.now() - away > 2000 || undefined)
  const watch = stopwatch(a.gateway.pid, b.gateway.pid)
  const after = await connect(b, name)
  await until(() => after.texts.length === words.length || undefined)
  expect(watch()).toBeLessThan(AT_ONCE_MS)
  expect(after.texts).toEqual(words.map((text) => `echo ${text}`))
  await Promise.all([speaker.client.endAsync(true), after.client.endAsync(true)])
})

test('who has the conversation is killed while its device is away: the answer still comes', async () => {
  const third = await instances.add()
  await instances.shared(3)
  const name = await deviceOf(third, 'orphan')
  const speaker = await connect(a, `${name}-speaker`, false)
  await speaker.client.publishAsync(`shop/${name}/say`, '{"id":"1","text":"wait for me"}', { qos: 1 })
  await until(() => bot.asked.some((asked) => textOf(asked) === 'wait for me') || undefined)
  instances.takeOut(third)
  await third.gateway[Symbol.asyncDispose]()
  const device = await connect(b, name)
  await until(() => device.texts.length > 0 || undefined, 60_000)
  expect(new Set(device.texts)).toEqual(new Set(['echo wait for me']))
  await Promise.all([speaker.client.endAsync(true), device.client.endAsync(true)])
}, 120_000)
