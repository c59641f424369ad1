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

async function takeAll(in_: World, from = windows(in_)): Promise<number> {
  for (let taken = 0; ; taken++) {
    const leave = await from.take(ann)
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
  these.note({ ...ann, contact, at: here.now })
  expect(await takeAll(here, these)).toBe(count)
  const leave = await these.take(ann)
  expect(leave).toMatchObject({ status: 'closed', why: expect.stringContaining('used up') })
})

test('a message opens it for 48 hours, an event for a minute', async () => {
  const here = world()
  const these = windows(here)
  these.note({ ...ann, contact: 'menu', at: here.now })
  here.now += 61_000
  expect(await these.take(ann)).toMatchObject({ status: 'closed' })
  these.note({ ...ann, contact: 'message', at: here.now })
  here.now += 48 * HOUR - 1
  expect((await these.take(ann)).status).toBe('open')
  here.now += 2
  expect(await these.take(ann)).toMatchObject({ status: 'closed', why: expect.stringContaining('48 hours') })
})

test('an event adds to what a message left, and is used first', async () => {
  const here = world()
  const these = windows(here)
  these.note({ ...ann, contact: 'message', at: here.now })
  await these.take(ann)
  these.note({ ...ann, contact: 'menu', at: here.now })
  expect(await takeAll(here, these)).toBe(7)
})

test('the next message fills the quota again', async () => {
  const here = world()
  const these = windows(here)
  these.note({ ...ann, contact: 'message', at: here.now })
  expect(await takeAll(here, these)).toBe(5)
  these.note({ ...ann, contact: 'message', at: here.now })
  expect(await takeAll(here, these)).toBe(5)
})

test('two instances take from one quota, also at the same moment', async () => {
  const shared = world()
  const [one, two] = [windows(shared, 'one'), windows(shared, 'two')]
  one.note({ ...ann, contact: 'message', at: shared.now })
  const taken = await Promise.all([1, 2, 3, 4, 5, 6].flatMap(() => [one.take(ann), two.take(ann)]))
  expect(taken.filter(({ status }) => status === 'open')).toHaveLength(5)
})

test('what was not sent is given back', async () => {
  const here = world()
  const these = windows(here)
  these.note({ ...ann, contact: 'message', at: here.now })
  const leave = await these.take(ann)
  if (leave.status === 'open') await leave.giveBack()
  expect(await takeAll(here, these)).toBe(5)
})

test('of a customer nobody knows the platform decides', async () => {
  expect(await windows(world()).take(ann)).toEqual({ status: 'unknown' })
})

test('what the platform says holds until the customer writes again', async () => {
  const here = world()
  const these = windows(here)
  these.note({ ...ann, contact: 'message', at: here.now })
  await these.shut(ann)
  expect(await these.take(ann)).toMatchObject({ status: 'closed' })
  these.note({ ...ann, contact: 'message', at: here.now })
  expect((await these.take(ann)).status).toBe('open')
})

test('customers, and accounts of a third-party platform, do not share a quota', async () => {
  const here = world()
  const these = windows(here)
  these.note({ ...ann, authorizer: 'wxA', contact: 'message', at: here.now })
  expect((await these.take({ ...ann, authorizer: 'wxA' })).status).toBe('open')
  expect((await these.take({ ...ann, authorizer: 'wxB' })).status).toBe('unknown')
  expect((await these.take({ openId: '__proto__' })).status).toBe('unknown')
})

test('messages in quick succession are written once; a clock that has gone back opens nothing for ever (SEMANTICS 25)', async () => {
  const here = world()
  const these = windows(here)
  for (let count = 0; count < 10; count++) these.note({ ...ann, contact: 'message', at: here.now })
  await expect.poll(() => [...here.values.values()].map(({ version }) => version), soon).toEqual([1])
  here.now -= 400 * 24 * HOUR
  expect(await these.take(ann)).toMatchObject({ status: 'closed' })
})

test('a store that is down is logged and stops nobody from noting', async () => {
  const here = world()
  here.isDown = true
  windows(here).note({ ...ann, contact: 'message', at: here.now })
  await expect.poll(() => here.logged.length, soon).toBe(1)
})
