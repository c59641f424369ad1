// SEMANTICS 14 over several links of one device: what is refused for good is told by each of them, and never passes for stored.
import { randomUUIDv7 } from 'node:crypto'
import { expect, test } from 'vitest'
import type { Json } from '../../../../core/api.ts'
import { LINK_YAML, connectApp, linkHouse } from '../../../support/link.ts'
import type { App } from '../../../support/link.ts'

const bad = (n: number, id = `bad-${n}`): Json => ({ t: 'send', n, id, message: { text: 'x', color: 'red' } })
const numbers = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from + 1 }, (_, at) => from + at)

/** In arrays, as a link takes them. */
async function sayBad(app: App, from: number, to: number): Promise<void> {
  for (let n = from; n <= to; n += 100)
    await app.raw(numbers(n, Math.min(n + 99, to)).map((each) => bad(each)))
}

test('what was refused over another link of the device is listed in ok: it does not pass for stored', async () => {
  await using house = await linkHouse()
  const [gone, open] = [connectApp(house.host), connectApp(house.host)]
  await gone.hello()
  await open.hello()
  await gone.say(1, 'one')
  await gone.raw(bad(2))
  await gone.tell({ t: 'send', n: 3, id: 'mine', message: { text: 'x', conversation: '..' } })
  await open.say(4, 'four')
  expect(open.last('ok')).toMatchObject({
    n: 4,
    refused: [
      { n: 2, id: 'bad-2', code: 'DECODE_FAILED' },
      { n: 3, id: 'mine', code: gone.last('nak')?.code },
    ],
  })
  // Until the outbox has passed it, over whichever link that is said.
  await connectApp(house.host, { transient: true }).hello({ first: 3 })
  await open.say(5, 'five')
  expect(open.last('ok')).toMatchObject({ n: 5, refused: [{ n: 3 }] })
})

test('ok lists all refusals that its link has not told, however many; of others the last 32', async () => {
  await using house = await linkHouse()
  const [other, open] = [connectApp(house.host), connectApp(house.host)]
  await other.hello()
  await open.hello()
  await sayBad(other, 1, 100)
  await open.say(101, 'a')
  expect(open.last('ok')?.refused?.map(({ n }) => n)).toEqual(numbers(1, 100))
  await open.say(102, 'b')
  expect(open.last('ok')?.refused?.map(({ n }) => n)).toEqual(numbers(69, 100))
  const late = connectApp(house.host)
  await late.hello()
  expect(late.last('welcome')?.refused.map(({ n }) => n)).toEqual(numbers(1, 100))
  await late.say(103, 'c')
  expect(late.last('ok')?.refused).toHaveLength(32)
})

test('1,000 refusals wait of a device, over all its links; what is whole is stored, and a hello of any link lets it go on', async () => {
  await using house = await linkHouse()
  const [one, two] = [connectApp(house.host), connectApp(house.host)]
  await one.hello()
  await two.hello()
  await sayBad(one, 1, 500)
  await sayBad(two, 501, 1000)
  for (const app of [one, two]) {
    await app.raw(bad(1001))
    expect(app.last('nak')).toMatchObject({ n: 1001, code: 'OVERLOADED', retry: true })
    expect(app.last('nak')?.message).toContain('say hello, or ack, with a higher first')
  }
  await one.say(1001, 'whole')
  expect(one.last('ok')).toMatchObject({ n: 1001 })
  const three = connectApp(house.host, { transient: true })
  await three.hello({ first: 1002 })
  await one.raw(bad(1002))
  expect(one.last('nak')).toMatchObject({ n: 1002, code: 'DECODE_FAILED', retry: false })
  await two.say(1003, 'on')
  expect(two.last('ok')).toMatchObject({ n: 1003, refused: [{ n: 1002, id: 'bad-1002' }] })
})

test('a used number with another id is refused for good, not sent back to (DESIGN §12, SEMANTICS 8)', async () => {
  await using house = await linkHouse()
  const app = connectApp(house.host)
  await app.hello()
  await app.say(1, 'one', 'id-1')
  await app.raw(bad(2))
  for (const [n, id] of [
    [1, 'another'],
    [2, 'other'],
    [1, randomUUIDv7()],
  ] as const) {
    await app.say(n, 'two', id)
    expect(app.last('nak')).toEqual({
      t: 'nak',
      n,
      id,
      code: 'IDEMPOTENCY_MISMATCH',
      message: `number ${n} of this boot was used, and not for "${id}" as far as is remembered: look into the log, then begin a new boot`,
      retry: false,
    })
  }
  // What is no frame, or says something else under a known id, is told as that.
  await app.raw(bad(1))
  expect(app.last('nak')).toMatchObject({ n: 1, id: 'bad-1', code: 'DECODE_FAILED', retry: false })
  await app.say(1, 'not the same', 'id-1')
  expect(app.last('nak')).toMatchObject({ n: 1, id: 'id-1', code: 'IDEMPOTENCY_MISMATCH', retry: false })
  expect(app.last('gap')).toBeUndefined()
  // Nothing of what was said under these numbers has changed.
  await app.say(1, 'one', 'id-1')
  expect(app.last('ok')).toMatchObject({ n: 1, duplicate: true, sequence: 1 })
  await app.say(2, 'x', 'bad-2')
  expect(app.last('nak')).toMatchObject({
    n: 2,
    code: 'DECODE_FAILED',
    message: expect.stringContaining('before'),
  })
  const again = connectApp(house.host)
  await again.hello()
  expect(again.last('welcome')).toMatchObject({ next: 3, refused: [{ n: 2, id: 'bad-2' }] })
})

test('a number refused under an id that could not be read is refused as before, whichever id comes', async () => {
  await using house = await linkHouse()
  const app = connectApp(house.host)
  await app.hello()
  await app.raw({ t: 'send', n: 1, id: 12, message: { text: 'x' } })
  await app.say(1, 'x', 'twelve')
  expect(app.last('nak')).toMatchObject({
    n: 1,
    id: 'twelve',
    code: 'DECODE_FAILED',
    message: 'number 1 of this boot was refused before',
    retry: false,
  })
})

test('a used number with an id older than the memory is TOO_OLD: it may be the one that was stored (SEMANTICS 41)', async () => {
  await using house = await linkHouse()
  const hex = (Date.now() - 73 * 3_600_000).toString(16).padStart(12, '0')
  const old = `${hex.slice(0, 8)}-${hex.slice(8)}-7abc-8def-0123456789ab`
  const app = connectApp(house.host)
  await app.hello()
  await app.say(1, 'one')
  await app.say(1, 'one', old)
  expect(app.last('nak')).toMatchObject({ n: 1, id: old, code: 'TOO_OLD', retry: false })
  expect(app.last('gap')).toBeUndefined()
})

test('SEMANTICS 14: a number outlives its id: what may have been another frame is not called stored, and may be looked for', async () => {
  const yaml = `${LINK_YAML}store: { dedupe: 4h }`
  const hour = 3_600_000
  const madeIn = (ms: number): string => {
    const hex = (Date.now() + ms).toString(16).padStart(12, '0')
    return `${hex.slice(0, 8)}-${hex.slice(8)}-7abc-8def-0123456789ab`
  }
  await using before = await linkHouse({ yaml })
  const first = connectApp(before.host)
  await first.hello()
  await first.say(1, 'one', 'no-uuid')
  await first.raw(bad(2))
  await before.stop()

  // The boot is older than the memory now; its third number is not.
  await using house = await linkHouse({ yaml, directory: before.directory, emptyForMs: 6 * hour })
  const app = connectApp(house.host)
  await app.hello()
  expect(app.last('welcome')).toMatchObject({ next: 3, refused: [{ n: 2 }] })
  await app.say(3, 'three', 'id-3')
  expect(app.last('ok')).toMatchObject({ n: 3, duplicate: false })
  const looks = expect.stringContaining('into the log')
  for (const [n, id, code] of [
    [3, 'id-B', 'IDEMPOTENCY_MISMATCH'],
    [3, madeIn(0), 'TOO_OLD'],
    [3, madeIn(6 * hour), 'IDEMPOTENCY_MISMATCH'],
    [1, 'no-uuid', 'IDEMPOTENCY_MISMATCH'],
    [2, 'other', 'IDEMPOTENCY_MISMATCH'],
  ] as const) {
    await app.say(n, 'never stored', id)
    expect(app.last('nak')).toEqual({ t: 'nak', n, id, code, message: looks, retry: false })
  }
  await app.say(2, 'x', 'bad-2')
  expect(app.last('nak')).toMatchObject({ n: 2, code: 'DECODE_FAILED', retry: false })
  expect(app.frames.filter(({ t }) => t === 'ok')).toHaveLength(1)
})
