// The 48-hour window and its quota: kept for each customer and all instances, refused here where the platform would refuse.
import { expect, test } from 'vitest'
import { createWindows } from '../../../../../adapters/wechat/api/windows.ts'
import type { Contact } from '../../../../../adapters/wechat/platform.ts'
import { world } from './scopes.ts'
import type { World } from './scopes.ts'

/** On a busy machine, too. */
const soon = { timeout: 10_000 }

const HOUR = 3_600_000
const ann = { openId: 'oAnn' }

function windows(in_: World, instance?: string) {
  return createWindows({ scope: in_.scope(instance), account: 'wx1' })
}

let last = 0
/** Of a push, or of what a customer did. */
const newId = (): string => `id ${++last}`

async function takeAll(in_: World, from = windows(in_)): Promise<number> {
  for (let taken = 0; ; taken++) {
    const leave = await from.take(ann, newId())
    if (leave.status !== 'open') return taken
  }
}

test.each<[Contact, number]>([
  ['message', 5],
  ['menu', 3],
  ['scan', 3],
  ['subscribe', 3],
  ['enter', 2],
])('after %s %i messages may be sent, and the next one is refused in words', async (contact, count) => {
  const here = world()
  const these = windows(here)
  these.note({ ...ann, contact, at: here.now, id: newId() })
  expect(await takeAll(here, these)).toBe(count)
  const leave = await these.take(ann, newId())
  expect(leave).toMatchObject({ status: 'closed', why: expect.stringContaining('used up') })
})

test('a message opens it for 48 hours, an event for a minute, after which the platform decides on who has never written here', async () => {
  const here = world()
  const these = windows(here)
  these.note({ ...ann, contact: 'menu', at: here.now, id: newId() })
  here.now += 61_000
  expect(await these.take(ann, newId())).toEqual({ status: 'unknown' })
  these.note({ ...ann, contact: 'message', at: here.now, id: newId() })
  here.now += 48 * HOUR - 1
  expect((await these.take(ann, newId())).status).toBe('open')
  here.now += 2
  expect(await these.take(ann, newId())).toMatchObject({
    status: 'closed',
    why: expect.stringContaining('48 hours'),
  })
})

test('an event adds to what a message left, and is used first', async () => {
  const here = world()
  const these = windows(here)
  these.note({ ...ann, contact: 'message', at: here.now, id: newId() })
  await these.take(ann, newId())
  these.note({ ...ann, contact: 'menu', at: here.now, id: newId() })
  expect(await takeAll(here, these)).toBe(7)
})

test('the next message fills the quota again', async () => {
  const here = world()
  const these = windows(here)
  these.note({ ...ann, contact: 'message', at: here.now, id: newId() })
  expect(await takeAll(here, these)).toBe(5)
  these.note({ ...ann, contact: 'message', at: here.now, id: newId() })
  expect(await takeAll(here, these)).toBe(5)
})

test('two instances take from one quota, also at the same moment', async () => {
  const shared = world()
  const [one, two] = [windows(shared, 'one'), windows(shared, 'two')]
  one.note({ ...ann, contact: 'message', at: shared.now, id: newId() })
  const taken = await Promise.all(
    [1, 2, 3, 4, 5, 6].flatMap(() => [one.take(ann, newId()), two.take(ann, newId())]),
  )
  expect(taken.filter(({ status }) => status === 'open')).toHaveLength(5)
})

test('what was not sent is given back', async () => {
  const here = world()
  const these = windows(here)
  these.note({ ...ann, contact: 'message', at: here.now, id: newId() })
  const leave = await these.take(ann, newId())
  if (leave.status === 'open') await leave.giveBack()
  expect(await takeAll(here, these)).toBe(5)
})

test('what is given back when the customer has written since is not one more of the new ones', async () => {
  const here = world()
  const these = windows(here)
  these.note({ ...ann, contact: 'message', at: here.now, id: newId() })
  const leave = await these.take(ann, newId())
  these.note({ ...ann, contact: 'message', at: here.now, id: newId() })
  await these.take(ann, newId())
  if (leave.status === 'open') await leave.giveBack()
  expect(await takeAll(here, these)).toBe(4)
})

test('a push that is tried again takes none again', async () => {
  const here = world()
  const these = windows(here)
  these.note({ ...ann, contact: 'message', at: here.now, id: newId() })
  for (let tries = 0; tries < 6; tries++) expect((await these.take(ann, 'the same push')).status).toBe('open')
  expect(await takeAll(here, these)).toBe(4)
  expect((await these.take(ann, 'the same push')).status).toBe('open')
})

test('the platform’s repeat of what the customer did is nothing new', async () => {
  const here = world()
  const these = windows(here)
  const message = { ...ann, contact: 'message', at: here.now, id: 'the same message' } as const
  these.note(message)
  expect(await takeAll(here, these)).toBe(5)
  windows(here).note(message)
  expect(await takeAll(here, these)).toBe(0)
})

test('a repeat that comes when the customer has written once more is nothing new either', async () => {
  const here = world()
  const these = windows(here)
  const [first, second] = [newId(), newId()]
  for (const id of [first, second]) {
    these.note({ ...ann, contact: 'message', at: here.now, id })
    await these.take(ann, newId())
    here.now += 2000
  }
  expect(await takeAll(here, these)).toBe(4)
  windows(here).note({ ...ann, contact: 'message', at: here.now, id: first })
  expect(await takeAll(here, these)).toBe(0)
})

test('a message just after another is noted too, so that its own repeat is nothing new', async () => {
  const here = world()
  const these = windows(here)
  const note = (id: string): void => these.note({ ...ann, contact: 'message', at: here.now, id })
  note('one')
  here.now += 10_000
  note('two')
  for (let count = 0; count < 3; count++) await these.take(ann, newId())
  here.now += 5000
  note('two')
  expect(await takeAll(here, these)).toBe(2)
})

test('what an earlier version noted last is still known', async () => {
  const here = world()
  const value = { message: { until: here.now + HOUR, left: 1, by: 'of old', taken: [] } }
  await here.scope().state.put('window/wx1/oAnn', value)
  const these = windows(here)
  these.note({ ...ann, contact: 'message', at: here.now, id: 'of old' })
  expect(await takeAll(here, these)).toBe(1)
})

test('of many messages at one moment each is written once, in order, and the last eight are known again', async () => {
  const here = world()
  const these = windows(here)
  const ids = Array.from({ length: 30 }, newId)
  for (const id of ids) these.note({ ...ann, contact: 'message', at: here.now, id })
  expect(await takeAll(here, these)).toBe(5)
  expect([...here.values.values()]).toMatchObject([
    { version: 35, value: { message: { by: ids.slice(-8).toReversed() } } },
  ])
  expect(here.logged).toEqual([])
})

test('what one instance sends of a quota, the next message fills again, whichever instance it comes to', async () => {
  const shared = world()
  const [takes, sends] = [windows(shared, 'one'), windows(shared, 'two')]
  for (let count = 0; count < 7; count++) {
    takes.note({ ...ann, contact: 'message', at: shared.now, id: newId() })
    await expect.poll(async () => (await sends.take(ann, newId())).status, soon).toBe('open')
    shared.now += 1000
  }
})

test('of a customer nobody knows the platform decides', async () => {
  expect(await windows(world()).take(ann, newId())).toEqual({ status: 'unknown' })
})

test('what the platform says holds until the customer writes again', async () => {
  const here = world()
  const these = windows(here)
  these.note({ ...ann, contact: 'message', at: here.now, id: newId() })
  const leave = await these.take(ann, newId())
  if (leave.status === 'open') await leave.shut()
  expect(await these.take(ann, newId())).toMatchObject({ status: 'closed' })
  these.note({ ...ann, contact: 'message', at: here.now, id: newId() })
  expect((await these.take(ann, newId())).status).toBe('open')
})

test('a refusal that comes late closes what it was about, not what the customer has opened meanwhile', async () => {
  const here = world()
  const these = windows(here)
  these.note({ ...ann, contact: 'message', at: here.now, id: newId() })
  const late = await these.take(ann, newId())
  these.note({ ...ann, contact: 'message', at: here.now, id: newId() })
  await these.take(ann, newId())
  if (late.status === 'open') await late.shut()
  expect(await takeAll(here, these)).toBe(4)
})

test('customers, and accounts of a third-party platform, do not share a quota', async () => {
  const here = world()
  const these = windows(here)
  these.note({ ...ann, authorizer: 'wxA', contact: 'message', at: here.now, id: newId() })
  expect((await these.take({ ...ann, authorizer: 'wxA' }, newId())).status).toBe('open')
  expect((await these.take({ ...ann, authorizer: 'wxB' }, newId())).status).toBe('unknown')
  expect((await these.take({ openId: '__proto__' }, newId())).status).toBe('unknown')
})

test('a clock that has gone back opens nothing for ever (SEMANTICS 25)', async () => {
  const here = world()
  const these = windows(here)
  these.note({ ...ann, contact: 'message', at: here.now, id: newId() })
  expect((await these.take(ann, newId())).status).toBe('open')
  here.now -= 400 * 24 * HOUR
  expect(await these.take(ann, newId())).toMatchObject({ status: 'closed' })
})

test('a store that is down is logged and stops nobody from noting', async () => {
  const here = world()
  here.isDown = true
  windows(here).note({ ...ann, contact: 'message', at: here.now, id: newId() })
  await expect.poll(() => here.logged.length, soon).toBe(1)
})
