// Operations 8 and 9: pages of a log or an inbox, cursors that cannot be right, and hints (SEMANTICS 12, 24, 33).
import { expect, test } from 'vitest'
import type { Read } from '../../../core/store/store.ts'
import type { StoreFactory } from '../store.ts'
import {
  CONVERSATION,
  HOME,
  World,
  accept,
  answering,
  expectStatus,
  message,
  pushTo,
  working,
} from './world.ts'

const log = (over: Partial<Read> = {}): Read => ({
  home: HOME,
  log: { conversation: CONVERSATION },
  after: 0,
  limit: 10,
  ...over,
})
const inbox = (over: Partial<Read> = {}): Read => ({
  home: HOME,
  log: { inbox: true },
  after: 0,
  limit: 10,
  ...over,
})

export function readingSuite(factory: StoreFactory): void {
  test('reads on from a cursor to the end, page by page', async () => {
    await using world = await World.make(factory)
    for (let n = 1; n <= 5; n++) await world.accept(accept(`m${n}`))
    const first = expectStatus(await world.store.read(log({ limit: 2 })), 'rows')
    expect(first).toMatchObject({ next: 2, top: 5, oldest: 1, truncated: false })
    const second = expectStatus(await world.store.read(log({ after: first.next, limit: 2 })), 'rows')
    expect(second.rows.map((row) => row.message.id)).toEqual(['m3', 'm4'])
    expect(await world.store.read(log({ after: 5 }))).toMatchObject({ rows: [], next: 5, top: 5 })
    expect(await world.store.read(log({ limit: 0 }))).toMatchObject({ rows: [], next: 0 })
  })

  test('an inbox has the messages of all conversations of its home, by offset', async () => {
    await using world = await World.make(factory)
    await world.accept(accept('a'))
    await world.accept(accept('b', { conversation: 'web:ann-2' }))
    await world.accept(accept('hidden', { inbox: false }))
    await world.accept(accept('c'))
    await world.accept(accept('d', { home: 'web/eve', conversation: 'web:eve' }))
    const { rows, next } = expectStatus(await world.store.read(inbox({ after: 1 })), 'rows')
    expect(rows.map((row) => [row.offset, row.message.id, row.message.sequence])).toEqual([
      [2, 'b', 1],
      [3, 'c', 3],
    ])
    expect(next).toBe(3)
  })

  test('a cursor beyond the top gets reset, never an empty answer (SEMANTICS 12)', async () => {
    await using world = await World.make(factory)
    await world.accept(accept('a'))
    expect(await world.store.read(log({ after: 2 }))).toEqual({ status: 'reset', oldest: 1, top: 1 })
    expect(await world.store.read(inbox({ after: 2 }))).toEqual({ status: 'reset', oldest: 1, top: 1 })
    expect(await world.store.read(log({ log: { conversation: 'none' }, after: 1 }))).toEqual({
      status: 'reset',
      oldest: 1,
      top: 0,
    })
    expect(await world.store.read(log({ log: { conversation: 'none' } }))).toMatchObject({
      rows: [],
      top: 0,
      oldest: 1,
    })
  })

  test('a cursor of another incarnation gets reset; of this one and of this epoch it is good', async () => {
    await using world = await World.make(factory)
    await world.accept(accept('a'))
    const { incarnation } = world.store
    expect(await world.store.read(log({ incarnation }))).toMatchObject({ status: 'rows' })
    expect(await world.store.read(log({ incarnation: 'other' }))).toEqual({
      status: 'reset',
      oldest: 1,
      top: 1,
    })
    expect(await world.store.read(inbox({ incarnation: 'other' }))).toEqual({
      status: 'reset',
      oldest: 1,
      top: 1,
    })
    const hello = await world.store.hello({
      home: HOME,
      device: 'd',
      boot: 'b',
      first: 1,
      epoch: '',
      offset: 0,
    })
    expect(await world.store.read(inbox({ incarnation: hello.epoch }))).toMatchObject({ status: 'rows' })
  })

  test('a restart is the same incarnation, a restored copy another (SEMANTICS 12)', async () => {
    await using world = await World.make(factory)
    await world.accept(accept('a'))
    const hello = { home: HOME, device: 'd', boot: 'b', first: 1, epoch: '', offset: 0 }
    const { epoch } = await world.store.hello(hello)
    const { incarnation } = world.store
    await world.reopen()
    expect(world.store.incarnation).toBe(incarnation)
    await world.close()
    await world.harness.backUp()
    await world.openAgain()
    await world.accept(accept('b'))
    await world.close()
    await world.harness.restore()
    await world.openAgain()
    expect(world.store.incarnation).not.toBe(incarnation)
    expect(await world.store.read(log({ after: 1, incarnation }))).toMatchObject({ status: 'reset', top: 1 })
    expect(await world.store.hello({ ...hello, epoch, offset: 1 })).toMatchObject({ status: 'reset', top: 1 })
  })

  test('a conversation of another home is not read (SEMANTICS 9)', async () => {
    await using world = await World.make(factory)
    await world.accept(accept('a'))
    await expect(world.store.read(log({ home: 'web/eve' }))).rejects.toMatchObject({ code: 'FORBIDDEN' })
  })

  test('a large log is read whole, in pages that stay small', async () => {
    await using world = await World.make(factory)
    const text = 'x'.repeat(1_000_000)
    for (let n = 1; n <= 20; n++)
      await world.accept(accept(`m${n}`, { message: message(`m${n}`, { parts: [{ kind: 'text', text }] }) }))
    const sizes: number[] = []
    for (let after = 0; after < 20;) {
      const page = expectStatus(await world.store.read(log({ after, limit: 1000 })), 'rows')
      sizes.push(page.rows.length)
      after = page.next
    }
    expect(sizes.length).toBeGreaterThan(1)
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(20)
  })

  test('watch hints at logs, inboxes, replies and partitions that changed', async () => {
    await using world = await World.make(factory)
    const watched = [`log:${CONVERSATION}`, `inbox:${HOME}`, 'reply:a', 'partition:0', 'log:other']
    const watch = world.store.watch(watched)
    const seen = new Set<string>()
    const reader = (async () => {
      for await (const name of watch) seen.add(name)
    })()
    await world.accept(working('a'))
    await expect.poll(() => [...seen].sort()).toEqual([`inbox:${HOME}`, `log:${CONVERSATION}`, 'partition:0'])
    await world.takeWork()
    await world.settle(answering('a', pushTo('a')))
    await expect
      .poll(() => [...seen].sort())
      .toEqual([`inbox:${HOME}`, `log:${CONVERSATION}`, 'partition:0', 'reply:a'])
    watch.close()
    await reader
  })

  test('the partition is hinted at by what its holder has not done himself', async () => {
    await using world = await World.make(factory)
    const watch = world.store.watch(['partition:0', 'log:end'])
    const hints = watch[Symbol.asyncIterator]()
    const { fence } = world
    expectStatus(await world.accept(working('a', { fence })), 'accepted')
    expectStatus(await world.accept(working('b', { fence })), 'accepted')
    await world.settle(answering('a', { ...pushTo('a'), fence }))
    await world.accept(accept('c', { conversation: 'end' }))
    expect((await hints.next()).value).toBe('log:end')
    await world.accept(working('d'))
    expect((await hints.next()).value).toBe('partition:0')
    watch.close()
  })

  test('an iterator that was given up takes no hint from the next one', async () => {
    await using world = await World.make(factory)
    const watch = world.store.watch([`log:${CONVERSATION}`, 'reply:q'])
    void watch[Symbol.asyncIterator]().next()
    const second = watch[Symbol.asyncIterator]()
    const both = [second.next(), watch[Symbol.asyncIterator]().next()]
    await world.accept(accept('a'))
    await world.accept(accept('b'))
    await Promise.race(both)
    watch.close()
    // Whether a hint goes to one of those that wait or to all of them is the store's choice; none of them waits for ever.
    expect(await Promise.all(both)).toContainEqual({ done: false, value: `log:${CONVERSATION}` })
  })

  test('a watch holds each name once, and ends with close, with its loop and with the store', async () => {
    await using world = await World.make(factory)
    const slow = world.store.watch([`log:${CONVERSATION}`])
    for (let n = 0; n < 10; n++) await world.accept(accept(`m${n}`))
    let hints = 0
    for await (const name of slow) {
      expect(name).toBe(`log:${CONVERSATION}`)
      hints++
      slow.close()
    }
    expect(hints).toBe(1)
    const open = world.store.watch(['log:x'])
    const ended = (async () => {
      for await (const _ of open) hints++
    })()
    await world.reopen()
    await ended
    expect(hints).toBe(1)
  })
}
