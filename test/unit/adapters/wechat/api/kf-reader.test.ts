// 微信客服: in order, once, over pages, crashes, two instances and a lost cursor.
import { GatewayError } from 'dragoman'
import type { Accepted, Draft } from 'dragoman'
import { expect, test } from 'vitest'
import { draftOf, never, reply, trial } from './platform.ts'
import type { Trial } from './platform.ts'
import { world } from './scopes.ts'

/** On a busy machine, too. */
const soon = { timeout: 10_000 }

const SYNC = '/cgi-bin/kf/sync_msg'

/** A store of drafts that removes duplicates by their id, as the core does. */
function intake() {
  const stored: string[] = []
  const seen = new Set<string>()
  const failures: GatewayError[] = []
  return {
    stored,
    handed: 0,
    failures,
    async accept(draft: Draft): Promise<Accepted> {
      this.handed += 1
      const failure = failures.shift()
      if (failure !== undefined) throw failure
      const id = draft.externalId ?? ''
      const duplicate = seen.has(id)
      if (!duplicate) stored.push(draft.parts?.[0]?.text ?? '')
      seen.add(id)
      return { id, conversation: 'c', sequence: stored.length, duplicate }
    },
  }
}

let ids = 0
function write(t: Trial, texts: readonly string[], at = t.here.now, account = 'wk1'): void {
  for (const content of texts)
    t.api.kfItems.push({
      msgid: `m${++ids}`,
      open_kfid: account,
      external_userid: 'wmAnn',
      send_time: Math.floor(at / 1000),
      origin: 3,
      msgtype: 'text',
      text: { content },
    })
}

const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => String(from + index))

async function kf() {
  const t = await trial({ product: 'wecom-kf' })
  const host = intake()
  const read = (platform = t.platform, into = host, signal = never) =>
    platform.startKfReader(into as never, async (item) => draftOf(item), signal) // of the host only accept is used
  return { t, host, read, [Symbol.asyncDispose]: () => t[Symbol.asyncDispose]() }
}

test('reads all pages in order until has_more is 0, and stores the cursor', async () => {
  await using k = await kf()
  const reader = k.read()
  write(k.t, numbers(1, 2500))
  await reader.onKfEvent('token-1', 'wk1')
  await expect.poll(() => k.host.stored.length, soon).toBe(2500)
  expect(k.host.stored).toEqual(numbers(1, 2500))
  write(k.t, ['2501'])
  await reader.onKfEvent('token-2', 'wk1')
  await expect.poll(() => k.host.stored.at(-1), soon).toBe('2501')
  expect(k.host.handed).toBe(2501)
  const bodies = k.t.api.asked.filter(({ path }) => path === SYNC).map(({ body }) => body)
  expect(bodies[0]).toEqual({ limit: 1000, open_kfid: 'wk1', token: 'token-1' })
  expect(bodies.at(-1)).toMatchObject({ cursor: 'cursor-2500', token: 'token-2' })
})

test('the cursor is stored only after every message before it is accepted (SEMANTICS 40)', async () => {
  await using k = await kf()
  const first = k.read()
  write(k.t, numbers(1, 10))
  k.host.failures.push(...Array.from({ length: 3 }, () => new GatewayError('STORE_UNAVAILABLE', 'down')))
  await first.onKfEvent('t', 'wk1')
  await expect.poll(() => k.host.handed, soon).toBeGreaterThan(0)
  await first.close()
  expect(k.host.stored).toEqual([])
  // The next life goes on by itself, without an event.
  k.host.failures.length = 0
  k.read(k.t.another('next life'))
  await expect.poll(() => k.host.stored, soon).toEqual(numbers(1, 10))
})

test('a store that is busy is waited for; a message nobody will ever take is left out and said', async () => {
  await using k = await kf()
  const reader = k.read()
  write(k.t, ['first', 'second', 'third'])
  k.host.failures.push(
    new GatewayError('OVERLOADED', 'full'),
    new GatewayError('DECODE_FAILED', 'not a message'),
  )
  await reader.onKfEvent('t', 'wk1')
  await expect.poll(() => k.host.stored, soon).toEqual(['second', 'third'])
  expect(k.t.here.logged.join('\n')).toMatch(/error a 微信客服 message was refused.*DECODE_FAILED/u)
})

test('of two instances one reads at a time, and each message is stored once (SEMANTICS 20)', async () => {
  await using k = await kf()
  const [one, two] = [k.read(), k.read(k.t.another('two'))]
  write(k.t, numbers(1, 3000))
  await one.onKfEvent('t', 'wk1')
  await two.onKfEvent('t', 'wk1')
  await expect.poll(() => k.host.stored.length, soon).toBe(3000)
  await expect
    .poll(() => k.t.here.values.get('kf/wx1/wk1')?.value, soon)
    .toMatchObject({ cursor: 'cursor-3000' })
  expect(k.host.stored).toEqual(numbers(1, 3000))
  expect(k.host.handed).toBe(3000)
})

test('an event that comes while the reader is at its last page is not lost', async () => {
  await using k = await kf()
  const reader = k.read()
  write(k.t, ['1'])
  k.t.api.fail(SYNC, { delayMs: 100 })
  await reader.onKfEvent('t', 'wk1')
  await expect.poll(() => k.t.api.asked.some(({ path }) => path === SYNC), soon).toBe(true)
  write(k.t, ['2'])
  await reader.onKfEvent('t', 'wk1')
  await expect.poll(() => k.host.stored, soon).toEqual(['1', '2'])
})

test('an empty page is not the end, and not followed by the next at once', async () => {
  await using k = await kf()
  write(k.t, numbers(1, 1001), k.t.here.now, 'wkOther')
  write(k.t, ['at last'])
  const begun = performance.now()
  await k.read().onKfEvent('t', 'wk1')
  await expect.poll(() => k.host.stored, soon).toEqual(['at last'])
  expect(performance.now() - begun).toBeGreaterThan(400)
})

test('two customer-service accounts are read side by side', async () => {
  await using k = await kf()
  const reader = k.read()
  write(k.t, ['a1'], k.t.here.now, 'wkA')
  write(k.t, ['b1'], k.t.here.now, 'wkB')
  await reader.onKfEvent('t', 'wkA')
  await reader.onKfEvent('t', 'wkB')
  await expect.poll(() => k.host.stored.toSorted(), soon).toEqual(['a1', 'b1'])
})

test('without a cursor the last three days are not replayed: only what belongs to the first event', async () => {
  await using k = await kf()
  write(k.t, numbers(1, 100), k.t.here.now - 48 * 3_600_000)
  write(k.t, ['now'])
  await k.read().onKfEvent('t', 'wk1')
  await expect.poll(() => k.host.stored, soon).toEqual(['now'])
  expect(k.host.handed).toBe(1)
  expect(k.t.here.counted.filter((name) => name === 'kf_skipped')).toHaveLength(100)
})

test('a cursor the platform knows no more: nothing is stored twice, nothing old comes again', async () => {
  await using k = await kf()
  const reader = k.read()
  write(k.t, ['old'], k.t.here.now - 3_600_000)
  write(k.t, ['1', '2'])
  await reader.onKfEvent('t', 'wk1')
  await expect.poll(() => k.host.stored, soon).toEqual(['1', '2'])
  await expect
    .poll(() => k.t.here.values.get('kf/wx1/wk1')?.value, soon)
    .toMatchObject({ cursor: 'cursor-3' })
  k.t.api.forgetCursors()
  write(k.t, ['3'])
  await reader.onKfEvent('t', 'wk1')
  await expect.poll(() => k.host.stored, soon).toEqual(['1', '2', '3'])
  expect(k.host.handed).toBe(5)
})

test('whatever code says that the cursor is lost, it is read on from the last page', async () => {
  await using k = await kf()
  const reader = k.read()
  write(k.t, ['1'])
  await reader.onKfEvent('t', 'wk1')
  await expect
    .poll(() => k.t.here.values.get('kf/wx1/wk1')?.value, soon)
    .toMatchObject({ cursor: 'cursor-1' })
  k.t.api.fail(SYNC, { errcode: 95_007 }, { errcode: 95_007 }) // of the token, and without one
  write(k.t, ['2'])
  await reader.onKfEvent('old', 'wk1')
  await expect.poll(() => k.host.stored, soon).toEqual(['1', '2'])
})

test('an event token that is too old is left out, not waited for', async () => {
  await using k = await kf()
  write(k.t, ['1'])
  k.t.api.fail(SYNC, { errcode: 95_007, errmsg: 'invalid msg token' })
  await k.read().onKfEvent('old', 'wk1')
  await expect.poll(() => k.host.stored, soon).toEqual(['1'])
  expect(k.t.api.asked.at(-1)?.body).not.toHaveProperty('token')
})

test('a platform that fails is asked again after a pause', async () => {
  await using k = await kf()
  write(k.t, ['1'])
  k.t.api.fail(SYNC, { status: 502 }, { errcode: -1 })
  await k.read().onKfEvent('t', 'wk1')
  await expect.poll(() => k.host.stored, soon).toEqual(['1'])
})

test('what was read opens the window, and names the account for a message that answers nothing', async () => {
  await using k = await kf()
  write(k.t, ['hello'])
  await k.read().onKfEvent('t', 'wk1')
  await expect.poll(() => k.host.stored, soon).toEqual(['hello'])
  k.t.api.contact('wmAnn', 99)
  const news = { ...reply('shipped', null), conversation: 'wechat:wmAnn' }
  for (let count = 1; count <= 5; count++)
    expect(await k.t.platform.send(news, `k${count}`, never)).toEqual({ status: 'sent' })
  expect(await k.t.platform.send(news, 'k6', never)).toMatchObject({ status: 'refused', retry: false })
  expect(k.t.api.delivered[0]?.body).toMatchObject({ touser: 'wmAnn', open_kfid: 'wk1' })
})

test('closing ends the reader also while the platform is silent', async () => {
  await using k = await kf()
  k.t.api.fail(SYNC, { delayMs: 30_000 })
  const reader = k.read()
  await reader.onKfEvent('t', 'wk1')
  await expect.poll(() => k.t.api.asked.some(({ path }) => path === SYNC), soon).toBe(true)
  await reader.close()
  expect(k.host.stored).toEqual([])
})

test('a store that is down at the start does not stop the events', async () => {
  const here = world()
  here.isDown = true
  await using t = await trial({ product: 'wecom-kf' }, here)
  const host = intake()
  const reader = t.platform.startKfReader(host as never, async (item) => draftOf(item), never) // only accept is used
  await expect.poll(() => here.logged.length, soon).toBeGreaterThan(0)
  here.isDown = false
  write(t, ['1'])
  await reader.onKfEvent('t', 'wk1')
  await expect.poll(() => host.stored, soon).toEqual(['1'])
})

test('an event is acknowledged only once its account is noted: the next life reads it, also the very first one', async () => {
  const here = world()
  await using t = await trial({ product: 'wecom-kf' }, here)
  const host = intake()
  const start = (name: string) =>
    t.another(name).startKfReader(host as never, async (item) => draftOf(item), never) // only accept is used
  const reader = start('one')
  here.isDown = true
  await expect(reader.onKfEvent('t', 'wk1')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  here.isDown = false
  await reader.onKfEvent('t', 'wk1')
  await reader.close() // before anything was read
  write(t, ['1'])
  start('two')
  await expect.poll(() => host.stored, soon).toEqual(['1'])
})
