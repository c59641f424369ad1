// Where the inbox cannot be read on from where it was: what is owed, what is looked at again, and what is known of it at the end.
import { expect, test } from 'vitest'
import { memoryBox } from '../../../../../core/link/client/box.ts'
import type { Said } from '../../../../../core/link/client/types.ts'
import { msg, openLedger } from './fake-links.ts'

const texts = (said: readonly Said[]): readonly string[] => said.map(({ text }) => text)

test('after a gap in the inbox the logs are owed, over a kill too, until they are read to their end (SEMANTICS 23)', async () => {
  const box = memoryBox()
  const { ledger } = await openLedger(box)
  ledger.begin('e1')
  ledger.take(msg(1, 'a'))
  ledger.moveTo('e1', 9)
  await ledger.durable()
  const { ledger: next, said } = await openLedger(box)
  expect([next.owed, next.place]).toMatchObject([[['link:ann', 1]], { offset: 9 }])
  await next.keepPage('link:ann', { messages: [msg(2, 'b').message, msg(3, 'c').message], next: 3 })
  expect((await openLedger(box)).ledger.owed).toEqual([['link:ann', 3]])
  await next.keepPage('link:ann', { messages: [], next: undefined })
  next.take(msg(10, 'd', { sequence: 4 }))
  await next.durable()
  expect(texts(said)).toEqual(['b', 'c', 'd'])
  expect((await openLedger(box)).ledger.owed).toEqual([])
})

test('a cut inbox goes on at the oldest it has: what is left of it is not skipped (SEMANTICS 10, 23)', async () => {
  const { ledger, said } = await openLedger()
  expect(ledger.moveTo('e1', 8, 7)).toBe(true)
  expect(ledger.hello()).toMatchObject({ epoch: 'e1', offset: 6 })
  ledger.begin('e1')
  ledger.take(msg(7, 'a'))
  ledger.take(msg(8, 'b'))
  await ledger.durable()
  expect(texts(said)).toEqual(['a', 'b'])
  // A gateway that does not say what the oldest is pushes what comes after the top, as one whose inbox is empty.
  expect([ledger.moveTo('e1', 10), ledger.place.offset]).toEqual([false, 10])
  expect([ledger.moveTo('e1', 12, 13), ledger.place.offset]).toEqual([false, 12])
  // It was asked before more was read here.
  expect([ledger.moveTo('e1', 14, 5), ledger.place.offset]).toEqual([true, 12])
  // A place that the inbox has not come to.
  expect([ledger.moveTo('e1', 11, 5), ledger.place.offset]).toEqual([false, 11])
})

test('whether all was found is known when the logs are read and the inbox has come to where it stood, over a kill too', async () => {
  const box = memoryBox()
  const { ledger } = await openLedger(box)
  ledger.begin('e1')
  ledger.take(msg(1, 'a'))
  // 2 to 4 are cut, one of them in a conversation that is not known here; 5 is in its log as well.
  ledger.moveTo('e1', 6, 5)
  expect(ledger.foundAll()).toBeUndefined()
  const log = ['b', 'c', 'd'].map((text, at) => msg(5, text, { sequence: 2 + at }).message)
  await ledger.keepPage('link:ann', { messages: log, next: undefined })
  expect([ledger.foundAll(), ledger.isBehind]).toEqual([undefined, true])
  const { ledger: next } = await openLedger(box)
  expect([next.foundAll(), next.isBehind]).toEqual([undefined, true])
  next.take(msg(5, 'd', { sequence: 4 }))
  expect(next.foundAll()).toBeUndefined()
  next.take(msg(6, 'shop', { conversation: 'shop', sequence: 2 }))
  expect([next.isBehind, next.foundAll(), next.foundAll()]).toEqual([false, false, true])
})

test('what was said while the logs were read is none of what was missing, from here too: that some is gone is told', async () => {
  const { ledger } = await openLedger()
  const at = (second: number): string => `2026-01-01T00:00:0${second}.000Z`
  const of = (offset: number) => msg(offset, `m${offset}`, { sequence: offset - 1, receivedAt: at(offset) })
  ledger.begin('e1')
  ledger.take(msg(1, 'm1', { conversation: 'shop' }))
  ledger.take(of(2))
  // 3 and 4 are cut, one of them in a conversation that is not known here.
  ledger.moveTo('e1', 6, 5)
  const own = await ledger.enqueue({ text: 'said meanwhile' })
  const more = { direction: 'inbound', sequence: 7, receivedAt: at(8), externalId: own.id } as const
  const last = [of(7), msg(8, own.text, more)]
  const log = [of(3), of(5), of(6), ...last].map(({ message }) => message)
  await ledger.keepPage('link:ann', { messages: log, next: undefined })
  await ledger.keepPage('shop', { messages: [], next: undefined })
  for (const message of [of(5), of(6)]) ledger.take(message)
  expect(ledger.foundAll()).toBe(false)
  for (const message of last) ledger.take(message)
  // With both of them found, in whatever order the last were received.
  ledger.moveTo('e1', 11, 10)
  const late = msg(10, 'm10', { sequence: 9, receivedAt: '2026-01-01T00:00:20.000Z' })
  const rest = [of(9), late, msg(11, 'm11', { sequence: 10, receivedAt: at(9) })]
  await ledger.keepPage('link:ann', { messages: rest.map(({ message }) => message), next: undefined })
  await ledger.keepPage('shop', { messages: [], next: undefined })
  for (const message of rest.slice(1)) ledger.take(message)
  expect(ledger.foundAll()).toBe(true)
})

test('over a restored store what is known here is looked at again, and dropped by its id (SEMANTICS 12)', async () => {
  const { ledger, said } = await openLedger()
  ledger.begin('e1')
  for (let offset = 1; offset <= 3; offset++) ledger.take(msg(offset, `m${offset}`))
  expect(ledger.moveTo('e2', 2)).toBe(true)
  expect(ledger.owed).toEqual([['link:ann', 0]])
  // m3 was lost with the store, and its number was given to another.
  const log = [msg(1, 'm1'), msg(2, 'm2'), msg(3, 'other')].map(({ message }) => message)
  await ledger.keepPage('link:ann', { messages: log, next: undefined })
  expect(texts(said)).toEqual(['m1', 'm2', 'm3', 'other'])
})

test('over a restored store each conversation is looked at again from its lowest sequence known here, in whatever order they came (SEMANTICS 12)', async () => {
  const { ledger, said } = await openLedger()
  ledger.begin('e1')
  // Said at once on a new device: stored behind ten that the inbox brings afterwards.
  const own = await ledger.enqueue({ text: 'first' })
  ledger.settle(1, [], { id: own.id, messageId: 'g11', sequence: 11 })
  for (let offset = 1; offset <= 10; offset++) ledger.take(msg(offset, `m${offset}`))
  ledger.take(msg(11, 'first', { direction: 'inbound', externalId: own.id, id: 'g11' }))
  ledger.take(msg(12, 'm12'))
  const waiting = await ledger.enqueue({ text: 'not stored yet', conversation: 'link:ann' })
  expect(waiting.sequence).toBeUndefined()
  ledger.moveTo('e2', 10)
  expect(ledger.owed).toEqual([['link:ann', 0]])
  const log = [1, 2, 3, 4].map((sequence) => msg(sequence, `m${sequence}`).message)
  const again = [5, 6, 7, 8, 9, 10].map((sequence) => msg(sequence, `again ${sequence}`).message)
  await ledger.keepPage('link:ann', { messages: [...log, ...again], next: undefined })
  expect(texts(said).slice(-6)).toEqual(again.map((message) => message.parts?.[0]?.text))
  expect(said).toHaveLength(13 + again.length)
})

test('another inbox is read from its beginning: what the logs gave is dropped by its place, conversations not known before are shown', async () => {
  const { ledger, said } = await openLedger(memoryBox(), 2)
  ledger.begin('e1')
  for (let offset = 1; offset <= 4; offset++) ledger.take(msg(offset, `m${offset}`))
  await ledger.durable()
  ledger.moveTo('e2', 9)
  expect(ledger.hello()).toMatchObject({ epoch: '', offset: 0 })
  expect(ledger.owed).toEqual([['link:ann', 2]])
  const log = [msg(3, 'm3'), msg(4, 'm4'), msg(5, 'm5')].map(({ message }) => message)
  await ledger.keepPage('link:ann', { messages: log, next: undefined })
  ledger.begin('e2')
  for (let offset = 1; offset <= 5; offset++) ledger.take({ ...msg(offset, `m${offset}`), epoch: 'e2' })
  ledger.take({ ...msg(6, 'shop', { conversation: 'shop:1', sequence: 1 }), epoch: 'e2' })
  await ledger.durable()
  expect(texts(said)).toEqual(['m1', 'm2', 'm3', 'm4', 'm5', 'shop'])
  expect(ledger.foundAll()).toBe(true)
})

test('a log that is gone, or shorter than it was, begins anew: what comes under its old numbers is shown', async () => {
  const { ledger, said } = await openLedger()
  ledger.begin('e1')
  for (let offset = 1; offset <= 3; offset++) ledger.take(msg(offset, `m${offset}`))
  ledger.moveTo('e2', 1)
  await ledger.keepPage('link:ann', { messages: [], next: undefined, isAnew: true })
  ledger.begin('e2')
  ledger.take({ ...msg(1, 'new'), epoch: 'e2' })
  await ledger.durable()
  expect(texts(said)).toEqual(['m1', 'm2', 'm3', 'new'])
})

test.each([
  ['all that is kept is of another conversation', 'order-2', 'outbound'],
  ['all that is kept was sent from here', 'link:ann', 'inbound'],
] as const)(
  'a restored log does not show again what this device has forgotten, where %s; over a kill too (SEMANTICS 12)',
  async (_, conversation, direction) => {
    const box = memoryBox()
    const { ledger, said } = await openLedger(box, 3)
    const at = (minute: number): string => `2026-01-01T00:0${minute}:00.000Z`
    ledger.begin('e1')
    const first = [1, 2, 3].map((n) => msg(n, `m${n}`, { receivedAt: at(n) }))
    for (const message of first) ledger.take(message)
    for (const n of [4, 5, 6, 7]) {
      const own = direction === 'inbound' ? await ledger.enqueue({ text: `m${n}` }) : undefined
      const sequence = own === undefined ? n - 3 : n
      const more = {
        conversation,
        direction,
        sequence,
        receivedAt: at(n),
        ...(own && { externalId: own.id }),
      }
      ledger.take(msg(n, `m${n}`, more))
    }
    await ledger.durable()
    expect(texts(said)).toEqual(['m1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7'])
    expect(texts(ledger.said)).toEqual(['m5', 'm6', 'm7'])
    // The backup was made after the second.
    ledger.moveTo('e2', 3)
    const restored = first.slice(0, 2).map(({ message }) => message)
    await ledger.keepPage('link:ann', { messages: restored.slice(0, 1), next: 1, isAnew: true })
    const { ledger: next, said: since } = await openLedger(box, 3)
    const said3 = msg(3, 'since', { receivedAt: at(8) })
    await next.keepPage('link:ann', { messages: [...restored.slice(1), said3.message], next: undefined })
    await next.keepPage('order-2', { messages: [], next: undefined, isAnew: true })
    next.begin('e2')
    for (const message of [...first.slice(0, 2), said3]) next.take({ ...message, epoch: 'e2' })
    await next.durable()
    expect(texts([...said, ...since]).slice(7)).toEqual(['since'])
  },
)

test('of what the inbox has skipped as many are looked for in the logs: fewer, and not all was found', async () => {
  const box = memoryBox()
  const { ledger } = await openLedger(box)
  ledger.begin('e1')
  ledger.take(msg(1, 'a'))
  ledger.moveTo('e1', 4)
  await ledger.keepPage('link:ann', { messages: [msg(2, 'b').message, msg(3, 'c').message], next: 3 })
  const { ledger: next } = await openLedger(box)
  await next.keepPage('link:ann', { messages: [], next: undefined })
  expect(next.foundAll()).toBe(false)
  // An event is in the log and not in the inbox: it is not what was skipped.
  next.moveTo('e1', 5)
  await next.keepPage('link:ann', {
    messages: [msg(4, 'paid', { kind: 'event' }).message],
    next: undefined,
  })
  expect(next.foundAll()).toBe(false)
  next.moveTo('e1', 6)
  await next.keepPage('link:ann', { messages: [msg(5, 'd').message], next: undefined })
  expect(next.foundAll()).toBe(true)
})

test('however few are kept, each message is shown once: in one batch, and again by the inbox after a log gave it', async () => {
  const { ledger, said } = await openLedger(memoryBox(), 3)
  ledger.begin('e1')
  const offsets = Array.from({ length: 30 }, (_, at) => at + 1)
  for (const offset of offsets.slice(0, 10)) ledger.take(msg(offset, `m${offset}`))
  await ledger.keepPage('link:ann', {
    messages: offsets.slice(10).map((offset) => msg(offset, `m${offset}`).message),
    next: undefined,
  })
  for (const offset of offsets.slice(10)) ledger.take(msg(offset, `m${offset}`))
  await ledger.durable()
  expect(texts(said)).toEqual(offsets.map((offset) => `m${offset}`))
  ledger.take(msg(31, 'm31'))
  await ledger.durable()
  expect(texts(ledger.said)).toEqual(['m29', 'm30', 'm31'])
})
