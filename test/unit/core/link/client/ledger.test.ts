import fc from 'fast-check'
import { expect, test } from 'vitest'
import { memoryBox } from '../../../../../core/link/client/box.ts'
import type { Box, Change } from '../../../../../core/link/client/box.ts'
import type { Said } from '../../../../../core/link/client/types.ts'
import { msg, openLedger } from './fake-links.ts'

/** A device that is killed: of what was written, only so many writes have reached the disk. */
function killableBox(): { readonly box: Box; readonly kill: (after: number) => Box } {
  const writes: (readonly Change[])[] = []
  const box: Box = {
    async open() {
      return new Map()
    },
    async write(changes) {
      writes.push(structuredClone(changes))
    },
    async close() {},
  }
  return {
    box,
    kill(after) {
      const rest = memoryBox()
      const values = (async (): Promise<void> => {
        for (const changes of writes.slice(0, after)) await rest.write(changes)
      })()
      return {
        ...rest,
        async open() {
          await values
          return rest.open()
        },
      }
    },
  }
}

const texts = (said: readonly Said[]): readonly string[] => said.map(({ text }) => text)

test('a new box is given a device and a boot, which stay', async () => {
  const box = memoryBox()
  const first = await openLedger(box)
  const again = await openLedger(box)
  expect(again.ledger.hello()).toEqual(first.ledger.hello())
  expect((await openLedger()).ledger.device).not.toBe(first.ledger.device)
})

test('numbers go up without holes over restarts, and what is settled does not come back', async () => {
  const box = memoryBox()
  const { ledger } = await openLedger(box)
  for (const text of ['a', 'b', 'c']) await ledger.enqueue({ text })
  ledger.settle(2)
  await ledger.durable()
  const { ledger: next, said } = await openLedger(box)
  expect([next.first, next.next, next.waiting]).toEqual([3, 4, 1])
  expect(next.sendFrame(3)).toMatchObject({ t: 'send', n: 3, message: { text: 'c' } })
  expect(next.sendFrame(2)).toBeUndefined()
  await next.enqueue({ text: 'd' })
  expect(next.sendFrame(4)).toMatchObject({ message: { text: 'd' } })
  expect(texts(next.said)).toEqual(['a', 'b', 'c', 'd'])
  expect(texts(said)).toEqual(['d'])
})

test('what is not durable yet is neither sent nor shown', async () => {
  const written = Promise.withResolvers<void>()
  let isHeld = false
  const box: Box = { ...memoryBox(), write: async () => (isHeld ? written.promise : undefined) }
  const { ledger, said } = await openLedger(box)
  isHeld = true
  const sending = ledger.enqueue({ text: 'a' })
  ledger.take(msg(1, 'x'))
  expect([ledger.sendFrame(1), ledger.said, said]).toEqual([undefined, [], []])
  written.resolve()
  await sending
  await ledger.durable()
  expect(ledger.sendFrame(1)).toBeDefined()
  expect(texts(ledger.said)).toEqual(texts(said))
})

test('a box that cannot be written ends it: send rejects, and the app is told once', async () => {
  let isFull = false
  const box: Box = {
    ...memoryBox(),
    async write() {
      if (isFull) throw new Error('the disk is full')
    },
  }
  const { ledger, states, said } = await openLedger(box)
  isFull = true
  await expect(ledger.enqueue({ text: 'a' })).rejects.toThrow('the disk is full')
  isFull = false
  await expect(ledger.enqueue({ text: 'b' })).rejects.toThrow('the disk is full')
  await expect(ledger.durable()).rejects.toThrow('the disk is full')
  expect(states.filter(({ what }) => what === 'link')).toHaveLength(1)
  expect([ledger.sendFrame(1), said]).toEqual([undefined, []])
})

test('the inbox: the next one is taken, one that was taken is dropped, one that is too far is not taken', async () => {
  const { ledger, said } = await openLedger()
  ledger.begin('e1')
  expect(ledger.take(msg(1, 'a'))).toBe(true)
  expect(ledger.take(msg(1, 'a'))).toBe(true)
  expect(ledger.take(msg(3, 'c'))).toBe(false)
  expect(ledger.take({ ...msg(2, 'other epoch'), epoch: 'e0' })).toBe(true)
  expect(ledger.take(msg(2, 'b'))).toBe(true)
  await ledger.durable()
  expect(texts(said)).toEqual(['a', 'b'])
  expect(ledger.hello()).toMatchObject({ epoch: 'e1', offset: 2 })
})

test('own messages come back in the inbox and are known by their id; those of another device are shown as mine', async () => {
  const { ledger, said } = await openLedger()
  ledger.begin('e1')
  const own = await ledger.enqueue({ text: 'mine' })
  ledger.take(msg(1, 'mine', { direction: 'inbound', externalId: own.id, id: 'g1' }))
  ledger.take(msg(2, 'from the tablet', { direction: 'inbound', externalId: 'other', id: 'g2' }))
  await ledger.durable()
  expect(said.map(({ from, text }) => [from, text])).toEqual([
    ['me', 'mine'],
    ['me', 'from the tablet'],
  ])
  expect(ledger.said[0]).toMatchObject({ conversation: 'link:ann', sequence: 1, mark: 'stored' })
})

test('an answer marks its question read and those before it delivered; marks never go down', async () => {
  const { ledger, states, said } = await openLedger()
  ledger.begin('e1')
  const own = [await ledger.enqueue({ text: '1' }), await ledger.enqueue({ text: '2' })]
  for (const [at, { id }] of own.entries()) {
    ledger.sent(at + 1)
    ledger.settle(at + 1, [], { id, messageId: `g${at}`, sequence: at + 1 })
    ledger.take(msg(at + 1, String(at), { direction: 'inbound', externalId: id, id: `g${at}` }))
  }
  ledger.take(msg(3, 'answer', { causationId: 'g1' }))
  ledger.sent(1)
  await ledger.durable()
  const marks = (at: number): readonly string[] =>
    states.flatMap((event) => (event.what === 'mark' && event.id === own[at]?.id ? [event.mark] : []))
  expect([marks(0), marks(1)]).toEqual([
    ['sent', 'stored', 'delivered'],
    ['sent', 'stored', 'read'],
  ])
  // Only a mark: nothing to show.
  ledger.take(msg(4, '', { id: 'm4', parts: [], causationId: 'g0', metadata: { mark: 'read' } }))
  await ledger.durable()
  expect(marks(0).at(-1)).toBe('read')
  expect(texts(said)).toEqual(['1', '2', 'answer'])
})

test('an answer marks what was said on another device, or before this box was begun, as it marks what was said here', async () => {
  const { ledger } = await openLedger()
  ledger.begin('e1')
  for (const n of [1, 2])
    ledger.take(msg(n, String(n), { direction: 'inbound', externalId: `tablet-${n}`, id: `g${n}` }))
  ledger.take(msg(3, 'answer', { causationId: 'g2' }))
  await ledger.durable()
  expect(ledger.said.map(({ text, mark }) => [text, mark])).toEqual([
    ['1', 'delivered'],
    ['2', 'read'],
    ['answer', undefined],
  ])
})

test('only so many messages are kept; an own one that has not come back yet is never forgotten', async () => {
  const box = memoryBox()
  const { ledger } = await openLedger(box, 3)
  ledger.begin('e1')
  const own = await ledger.enqueue({ text: 'mine' })
  for (let offset = 1; offset <= 5; offset++) ledger.take(msg(offset, `m${offset}`))
  await ledger.durable()
  expect(texts(ledger.said)).toEqual(['mine', 'm4', 'm5'])
  ledger.take(msg(6, 'mine', { direction: 'inbound', externalId: own.id }))
  ledger.take(msg(7, 'm7'))
  await ledger.durable()
  expect(texts(ledger.said)).toEqual(['m4', 'm5', 'm7'])
  expect(texts((await openLedger(box, 3)).ledger.said)).toEqual(['m4', 'm5', 'm7'])
})

test('what no frame can hold is refused before it has a number (DESIGN §16)', async () => {
  const { ledger } = await openLedger()
  await expect(ledger.enqueue({ text: '汉'.repeat(22_000) })).rejects.toThrow(
    new RangeError('the message is a frame of 66084 bytes, more than 65536'),
  )
  await ledger.enqueue({ text: 'after' })
  expect([ledger.next, ledger.waiting]).toEqual([2, 1])
})

test('an answer says nothing of messages in other conversations', async () => {
  const { ledger } = await openLedger()
  ledger.begin('e1')
  const own = [
    await ledger.enqueue({ text: 'here' }),
    await ledger.enqueue({ text: 'there', conversation: 'b' }),
  ]
  for (const [at, { id }] of own.entries()) {
    const place = { conversation: at === 0 ? 'a' : 'b', sequence: at === 0 ? 9 : 1 }
    ledger.take(msg(at + 1, `own ${at}`, { ...place, id: `g${at}`, direction: 'inbound', externalId: id }))
  }
  // The text of an event goes to all conversations, and was caused in one.
  ledger.take(msg(3, 'event', { conversation: 'b', sequence: 2, causationId: 'g0' }))
  await ledger.durable()
  expect(ledger.said.map(({ mark }) => mark)).toEqual(['read', 'stored', undefined])
})

test('names such as __proto__ are names (hostile input)', async () => {
  const box = memoryBox()
  const { ledger } = await openLedger(box)
  ledger.begin('e1')
  ledger.take(msg(1, 'a', { conversation: '__proto__', id: '__proto__' }))
  ledger.take(msg(2, 'b', { conversation: 'constructor' }))
  ledger.moveTo('e1', 5)
  await ledger.durable()
  const { ledger: next } = await openLedger(box)
  expect(next.owed).toEqual([
    ['__proto__', 1],
    ['constructor', 2],
  ])
  expect(texts(next.said)).toEqual(['a', 'b'])
})

test('a kill after any write: numbers, place and messages agree, nothing promised is lost, nothing is shown twice', async () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ what: fc.constant('send' as const) }),
      fc.record({ what: fc.constant('take' as const) }),
      fc.record({ what: fc.constant('settle' as const), n: fc.integer({ min: 0, max: 12 }) }),
    ),
    { maxLength: 20 },
  )
  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 0, max: 60 }), async (all, writes) => {
      const { box, kill } = killableBox()
      const { ledger } = await openLedger(box)
      ledger.begin('e1')
      await ledger.durable()
      const promised: string[] = []
      let offset = 0
      let settled = 0
      for (const [at, step] of all.entries()) {
        if (step.what === 'send') promised.push((await ledger.enqueue({ text: `own ${at}` })).id)
        else if (step.what === 'take') ledger.take(msg(++offset, `m${offset}`))
        else {
          const n = Math.min(step.n, promised.length)
          ledger.settle(n)
          settled = Math.max(settled, n)
        }
        await ledger.durable()
      }
      const { ledger: next } = await openLedger(kill(writes))
      const after = next.hello()
      const theirs = next.said.filter(({ from }) => from === 'them')
      // The place is where the messages end: acknowledged is what is kept, and the next one is the next.
      expect(theirs).toHaveLength(after.offset)
      const mine = next.said.filter(({ from }) => from === 'me')
      expect(mine).toHaveLength(next.next - 1)
      expect(next.next - next.first).toBe(next.waiting)
      for (let n = next.first; n < next.next; n++) expect(next.sendFrame(n)?.id).toBe(promised[n - 1])
      if (writes >= all.length * 2 + 3) expect(next.first - 1).toBe(settled)
    }),
    { numRuns: 100 },
  )
})
