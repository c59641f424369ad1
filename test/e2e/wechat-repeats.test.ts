// The platform's repeats are the same push to the byte, whatever a channel's operations make of it (SEMANTICS 8).
import { expect, test } from 'vitest'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { echo, handAgent, handBackend } from '../support/parts.ts'
import { metric } from '../support/rest.ts'
import { APP_ID, TOKEN, eventXml, plainPush, textXml } from '../unit/adapters/wechat/pushing.ts'
import type { PushRequest } from '../unit/adapters/wechat/pushing.ts'

const yaml = (operations: string): string => `
channels:
  wechat: { adapter: wechat, appId: ${APP_ID}, token: ${TOKEN}, operations: { ${operations} } }
  web: { adapter: rest }
backends: { orders: { adapter: orders } }
agents: { helper: { adapter: bot } }
routes: [{ when: "kind = 'request'", backend: orders }, { agent: helper }]
`
const AT = `data: "{ 'at': $now() }"`
const click = eventXml('CLICK', '<EventKey><![CDATA[ORDER]]></EventKey>')

async function send(house: House, { path, query, body, headers }: PushRequest, signal?: AbortSignal) {
  const response = await fetch(`${house.base}${path}?${query}`, {
    method: 'POST',
    body: Buffer.from(body),
    headers,
    ...(signal !== undefined && { signal }),
  })
  return { status: response.status, body: await response.text() }
}

const orders = () =>
  handBackend('orders', { ORDER: { safe: false } }, async () => ({ data: { text: 'ordered' } }))
const intake = (house: House, result: string) =>
  metric(house.base, `dragoman_intake_total{result="${result}"}`)

test('a menu key that writes: the repeat joins the write that runs, though $now() makes another draft of it', async () => {
  const gate = Promise.withResolvers<void>()
  const backend = orders()
  const { call } = backend
  backend.call = async (...given) => {
    const answer = await call(...given)
    await gate.promise
    return answer
  }
  await using house = await openHouse({
    yaml: yaml(`ORDER: { kind: request, ${AT} }`),
    adapters: [backend.adapter, handAgent('bot', echo).adapter],
  })
  const push = plainPush(click)
  const hangsUp = new AbortController()
  const lost = send(house, push, hangsUp.signal)
  await until(() => backend.calls[0])
  hangsUp.abort()
  await expect(lost).rejects.toThrow('aborted')
  const again = send(house, push)
  await until(async () => ((await intake(house, 'offered')) === 2 ? true : undefined))
  gate.resolve()
  expect((await again).body).toContain('[ordered]')
  expect(backend.calls).toHaveLength(1)
})

test.each([
  ['an event', eventXml('VIEW', '<EventKey>x</EventKey>'), `VIEW: { kind: event, ${AT} }`],
  ['a message', textXml('hi'), `text: { kind: message, text: "Content & $now()" }`],
])('%s whose operation uses $now() is one, however often it is repeated', async (_name, xml, operations) => {
  await using house = await openHouse({
    yaml: yaml(operations),
    adapters: [orders().adapter, handAgent('bot', echo).adapter],
  })
  const push = plainPush(xml)
  for (const _try of [1, 2, 3]) expect((await send(house, push)).status).toBe(200)
  expect(await intake(house, 'accepted')).toBe(1)
  expect(await intake(house, 'duplicate')).toBe(2)
})

test('a reload that changes an operation between two tries makes no second message of them', async () => {
  const bot = handAgent('bot', echo)
  const backend = orders()
  const adapters = [backend.adapter, bot.adapter]
  await using house = await openHouse({ yaml: yaml(`ORDER: { kind: request }`), adapters })
  const [first, second] = [plainPush(textXml('hi')), plainPush(click)]
  for (const operations of ['ORDER: { kind: request }', `text: { kind: message, text: "'two'" }`]) {
    await house.reload(yaml(operations))
    for (const push of [first, second]) expect((await send(house, push)).status).toBe(200)
  }
  expect([bot.asked.length, backend.calls.length]).toEqual([1, 1])
})

test('an operation’s own externalId stays what makes two pushes one message', async () => {
  const bot = handAgent('bot', echo)
  await using house = await openHouse({
    yaml: yaml(`subscribe: { kind: message, text: "'welcome'", externalId: "'once'", data: "{ 'a': 1 }" }`),
    adapters: [orders().adapter, bot.adapter],
  })
  for (const scene of ['1', '2'])
    expect(
      (await send(house, plainPush(eventXml('subscribe', `<EventKey>${scene}</EventKey>`)))).body,
    ).toContain('[echo welcome]')
  expect(bot.asked).toHaveLength(1)
})

test('compatible mode on a channel without a key: each try is closed anew, and it is one message without the cipher', async () => {
  const bot = handAgent('bot', echo)
  await using house = await openHouse({ yaml: yaml(''), adapters: [orders().adapter, bot.adapter] })
  const signing = { nonce: 'same', timestamp: Math.floor(Date.now() / 1000) }
  for (const encrypted of ['Zmlyc3Q=', 'c2Vjb25k'])
    for (const xml of [textXml('hi'), eventXml('VIEW', '<EventKey>x</EventKey>')]) {
      const body = xml.replace('</xml>', `<Encrypt><![CDATA[${encrypted}]]></Encrypt></xml>`)
      const nonce = `${signing.nonce}${xml.length}`
      expect((await send(house, plainPush(body, { ...signing, nonce }))).status).toBe(200)
    }
  expect(await intake(house, 'accepted')).toBe(2)
  expect(await intake(house, 'duplicate')).toBe(2)
  expect(JSON.stringify(bot.asked.map(({ message }) => message.data ?? {}))).not.toContain('Encrypt')
})
