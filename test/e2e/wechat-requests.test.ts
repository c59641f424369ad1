// A menu key that asks a business system: the platform is acknowledged before the answer is there, so it is stored (DESIGN §5, §6; SEMANTICS 5).
import { expect, test } from 'vitest'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { handBackend } from '../support/parts.ts'
import type { HandBackend } from '../support/parts.ts'
import { metric, readLog } from '../support/rest.ts'
import { APP_ID, TOKEN, eventXml, plainPush } from '../unit/adapters/wechat/pushing.ts'
import { startPlatformStub } from './wechat-platform.ts'
import type { PlatformStub } from './wechat-platform.ts'

const yaml = ({ apiBase }: PlatformStub, waitMs: number, skew = '300s'): string => `
channels:
  wechat:
    adapter: wechat
    appId: ${APP_ID}
    token: ${TOKEN}
    secret: s
    apiBase: "${apiBase}"
    waitMs: ${waitMs}
    skew: ${skew}
    operations: { ORDERS: { kind: request, type: "'LastOrder'", data: "{ 'customer': FromUserName }" } }
  web: { adapter: rest }
backends: { orders: { adapter: orders } }
routes: [{ backend: orders }]
`
const click = plainPush(eventXml('CLICK', '<EventKey><![CDATA[ORDERS]]></EventKey>'))
const shipped = { touser: 'ann', msgtype: 'text', text: { content: 'it has shipped' } }

async function push(house: House, signal?: AbortSignal): Promise<string> {
  const response = await fetch(`${house.base}/wechat?${click.query}`, {
    method: 'POST',
    body: Buffer.from(click.body),
    headers: click.headers,
    ...(signal !== undefined && { signal }),
  })
  return response.text()
}

/** Answers when it is told to. */
function slow(answer: Awaited<ReturnType<HandBackend['call']>> = { data: { text: 'it has shipped' } }) {
  const { promise, resolve } = Promise.withResolvers<void>()
  const backend = handBackend('orders', { LastOrder: { safe: true } }, async () => {
    await promise
    return answer
  })
  return Object.assign(backend, { letGo: resolve })
}

async function allDone(house: House): Promise<void> {
  await until(async () =>
    (await house.store.find({ by: 'open', limit: 5 })).length === 0 ? true : undefined,
  )
}

test('a crash after the acknowledgement: the next life asks again, and the answer is sent once', async () => {
  await using platform = await startPlatformStub()
  const stuck = slow()
  await using before = await openHouse({ yaml: yaml(platform, 50), adapters: [stuck.adapter] })
  expect(await push(before)).toBe('success')
  await until(() => stuck.calls[0])
  await before.crash()

  const orders = slow()
  orders.letGo()
  await using after = await openHouse({
    yaml: yaml(platform, 50),
    adapters: [orders.adapter],
    directory: before.directory,
  })
  await until(() => platform.sent[0])
  expect(await push(after)).toBe('success')
  await allDone(after)
  expect(platform.sent).toEqual([shipped])
  expect([stuck, orders].map(({ calls }) => calls.length)).toEqual([1, 1])
})

test('a reload while the business system thinks takes no answer along', async () => {
  await using platform = await startPlatformStub()
  const orders = slow()
  await using house = await openHouse({ yaml: yaml(platform, 50), adapters: [orders.adapter] })
  expect(await push(house)).toBe('success')
  await house.reload(yaml(platform, 50, '301s'))
  orders.letGo()
  await until(() => platform.sent[0])
  await allDone(house)
  expect(platform.sent).toEqual([shipped])
  expect(orders.calls).toHaveLength(1)
})

test('a response that got lost: the platform’s repeat gets the answer, or the push, and never both', async () => {
  await using platform = await startPlatformStub()
  const orders = slow()
  await using house = await openHouse({ yaml: yaml(platform, 2000), adapters: [orders.adapter] })
  const hangsUp = new AbortController()
  const lost = push(house, hangsUp.signal)
  await until(() => orders.calls[0])
  hangsUp.abort()
  await expect(lost).rejects.toThrow('aborted')
  const again = push(house)
  await until(async () =>
    (await metric(house.base, 'dragoman_intake_total{result="offered"}')) === 2 ? true : undefined,
  )
  orders.letGo()
  const body = await again
  await allDone(house)
  expect([body.includes('[it has shipped]'), platform.sent.length > 0].filter(Boolean)).toHaveLength(1)
  expect(orders.calls).toHaveLength(1)
})

test('what is sent later says what the response would have said: a fault by its message', async () => {
  await using platform = await startPlatformStub()
  const orders = slow({ fault: { code: 'NO_ORDER', message: 'there is no order' } })
  await using house = await openHouse({ yaml: yaml(platform, 50), adapters: [orders.adapter] })
  expect(await push(house)).toBe('success')
  orders.letGo()
  await until(() => platform.sent[0])
  expect(platform.sent).toEqual([{ ...shipped, text: { content: 'there is no order' } }])
})

test('a business system that fails after the acknowledgement leaves a dead letter, and the customer is sent no word of it', async () => {
  await using platform = await startPlatformStub()
  const orders = slow()
  const { call } = orders
  orders.call = async (...given) => {
    await call(...given)
    throw new Error('the disk is full')
  }
  await using house = await openHouse({ yaml: yaml(platform, 50), adapters: [orders.adapter] })
  expect(await push(house)).toBe('success')
  orders.letGo()
  const [dead] = await until(async () => {
    const rows = await house.dead()
    return rows.length > 0 ? rows : undefined
  })
  expect(JSON.stringify(dead)).toContain('LastOrder')
  expect(platform.sent).toEqual([])
  expect((await readLog(house.base, 'wechat:ann')).map(({ kind }) => kind)).toEqual(['request'])
})
