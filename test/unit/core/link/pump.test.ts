import { expect, test } from 'vitest'
import { bob, connectApp, linkHouse } from '../../../support/link.ts'

test('at most 64 are pushed beyond the last ack, and the ack brings the next (DESIGN §12)', async () => {
  await using house = await linkHouse()
  house.agent.answer = async () => undefined
  const writer = connectApp(house.host, { device: 'writer' })
  await writer.hello()
  for (let n = 1; n <= 100; n++) await writer.say(n, `m${n}`)
  const reader = connectApp(house.host, { device: 'reader' })
  await reader.hello()
  await reader.link.caughtUp()
  expect(reader.messages).toHaveLength(64)
  const { epoch } = await reader.next('welcome')
  await reader.tell({ t: 'ack', epoch, offset: 10 })
  await reader.link.caughtUp()
  expect(reader.messages.map(({ offset }) => offset)).toEqual(Array.from({ length: 74 }, (_, at) => at + 1))
})

test('a link goes on where the last one stopped: hello with epoch and offset gets what comes after it', async () => {
  await using house = await linkHouse()
  const first = connectApp(house.host)
  await first.hello()
  await first.say(1, 'one')
  await first.texts(2)
  const { epoch } = await first.next('welcome')
  await first.tell({ t: 'ack', epoch, offset: 1 })
  first.link.close()
  const second = connectApp(house.host)
  await second.hello({ first: 2, epoch, offset: 1 })
  expect(second.last('welcome')).toMatchObject({ epoch, top: 2, recovered: true, next: 2 })
  expect(await second.texts(1)).toEqual(['echo one'])
})

test('every device of a customer has all of his messages, another customer none (SEMANTICS 10)', async () => {
  await using house = await linkHouse()
  const phone = connectApp(house.host)
  const tablet = connectApp(house.host, { device: 'tablet', boot: 't-1' })
  const stranger = connectApp(house.host, { who: bob })
  for (const app of [phone, tablet, stranger]) await app.hello()
  await phone.say(1, 'hi')
  expect(await tablet.texts(2)).toEqual(['hi', 'echo hi'])
  await phone.texts(2)
  await stranger.link.caughtUp()
  expect(stranger.messages).toEqual([])
})

test('an ack beyond the inbox, or of another epoch, is answered by reset, and the link goes on from there (SEMANTICS 12, 38)', async () => {
  await using house = await linkHouse()
  const app = connectApp(house.host)
  await app.hello()
  await app.say(1, 'one')
  await app.texts(2)
  const { epoch } = await app.next('welcome')
  await app.tell({ t: 'ack', epoch, offset: 99 })
  expect(app.last('reset')).toMatchObject({ epoch, top: 2, oldest: 1 })
  await app.say(2, 'two')
  expect(await app.texts(4)).toEqual(['one', 'echo one', 'two', 'echo two'])
})

test('a cursor of another epoch, or beyond the top, is answered by reset and then by a welcome that is not recovered', async () => {
  await using house = await linkHouse()
  const app = connectApp(house.host)
  await app.hello()
  await app.say(1, 'one')
  await app.texts(2)
  const { epoch } = await app.next('welcome')
  for (const cursor of [
    { epoch: 'elsewhere', offset: 1 },
    { epoch, offset: 77 },
  ]) {
    const lost = connectApp(house.host, { device: 'lost' })
    await lost.hello(cursor)
    expect(lost.frames).toMatchObject([
      { t: 'reset', epoch, top: 2, oldest: 1 },
      { t: 'welcome', epoch, top: 2, oldest: 1, recovered: false, next: 1 },
    ])
    await lost.link.caughtUp()
    expect(lost.messages).toEqual([])
  }
})

test('numbers the store has lost are jumped under a new epoch; other links of the customer are told by reset (SEMANTICS 13)', async () => {
  await using house = await linkHouse()
  const phone = connectApp(house.host)
  const tablet = connectApp(house.host, { device: 'tablet' })
  await phone.hello()
  await tablet.hello()
  await phone.say(1, 'one')
  await tablet.texts(2)
  const { epoch } = await phone.next('welcome')
  const ahead = connectApp(house.host)
  await ahead.hello({ first: 9, epoch, offset: 2 })
  expect(ahead.last('welcome')).toMatchObject({ next: 9, recovered: false })
  expect(ahead.last('welcome')?.epoch).not.toBe(epoch)
  expect(house.log()).toContain('numbers of a device were lost')
  await ahead.say(9, 'nine')
  expect(await tablet.next('reset')).toMatchObject({ epoch: ahead.last('welcome')?.epoch })
  // An ack of the time before does nothing more.
  const before = tablet.frames.length
  await tablet.tell({ t: 'ack', epoch, offset: 2 })
  expect(tablet.frames.slice(before).filter(({ t }) => t === 'reset')).toEqual([])
})

test('a slow reader holds up only himself, and what was read for him is forgotten', async () => {
  await using house = await linkHouse()
  house.agent.answer = async () => undefined
  const gate = Promise.withResolvers<void>()
  const slow = connectApp(house.host, {
    device: 'slow',
    taken: (frame) => (frame.t === 'msg' ? gate.promise : undefined),
  })
  await slow.hello()
  const writer = connectApp(house.host, { device: 'writer' })
  await writer.hello()
  for (let n = 1; n <= 40; n++) await writer.say(n, `m${n}`)
  await writer.texts(40)
  expect(slow.messages).toHaveLength(1)
  gate.resolve()
  expect(await slow.texts(40)).toEqual(Array.from({ length: 40 }, (_, at) => `m${at + 1}`))
})
