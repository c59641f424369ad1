// How a client ends: by close, by a failure, and by close after one. The box is let go each time.
import { join } from 'node:path'
import { rm } from 'node:fs/promises'
import { connect, fileBox, memoryBox } from 'dragoman/client'
import type { Box, Client, ConnectOptions, StateEvent } from 'dragoman/client'
import { expect, test } from 'vitest'
import { temporaryDirectory, until } from '../../../../support/gateway.ts'

interface App {
  readonly client: Client
  readonly links: readonly string[]
}

/** Without any link: what happens here happens on the device. */
function start(box: Box | string, more: Partial<ConnectOptions> = {}): App {
  const links: string[] = []
  const client = connect({ url: 'http://127.0.0.1:1', token: 'ann', links: [], box, ...more })
  client.onState((event: StateEvent) => {
    if (event.what === 'link') links.push([event.status, event.reason ?? ''].join(' ').trim())
  })
  return { client, links }
}

/** One whose disk is full when the test says so; and how often it was closed. */
function fullBox(inner: Box): Box & { isFull: boolean; closed: number } {
  return {
    isFull: false,
    closed: 0,
    open: () => inner.open(),
    async write(changes) {
      if (this.isFull) throw new Error('the disk is full')
      await inner.write(changes)
    },
    async close() {
      this.closed++
      await inner.close()
    },
  }
}

test('a client that has failed lets its box go: the next one opens it, and what was durable is there', async () => {
  const directory = await temporaryDirectory()
  const path = join(directory, 'ann.sqlite')
  const box = fullBox(fileBox(path))
  const app = start(box)
  await app.client.send('kept')
  box.isFull = true
  await expect(app.client.send('lost')).rejects.toThrow('the disk is full')
  await until(() => (box.closed > 0 ? true : undefined))
  const next = start(path)
  const said: string[] = []
  next.client.onMessage(({ text }) => said.push(text))
  await next.client.send('after')
  expect(said).toEqual(['kept', 'after'])
  await next.client.close()
  await app.client.close()
  expect(box.closed).toBe(1)
  await rm(directory, { recursive: true })
})

test('what is sent after a failure is rejected with that failure; close says closed', async () => {
  const box = fullBox(memoryBox())
  const app = start(box)
  await app.client.send('kept')
  box.isFull = true
  await expect(app.client.send('lost')).rejects.toThrow('the disk is full')
  box.isFull = false
  await expect(app.client.send('late')).rejects.toThrow('the disk is full')
  await app.client.close()
  expect(app.links).toEqual([
    'connecting',
    'connecting links names none',
    'failed the disk is full',
    'closed',
  ])
})

test('a box that cannot be opened is closed all the same', async () => {
  let closed = 0
  const box: Box = {
    ...memoryBox(),
    async open() {
      throw new Error('the keychain is locked')
    },
    async close() {
      closed++
    },
  }
  const app = start(box)
  await expect(app.client.send('x')).rejects.toThrow('the keychain is locked')
  await app.client.close()
  expect([closed, ...app.links]).toEqual([1, 'connecting', 'failed the keychain is locked', 'closed'])
})

test('every close resolves when the box is closed, not before', async () => {
  const closing = Promise.withResolvers<void>()
  const app = start({ ...memoryBox(), close: () => closing.promise })
  await app.client.send('x')
  let closed = 0
  const both = [app.client.close(), app.client.close()].map(async (close) => {
    await close
    closed++
  })
  await expect(app.client.send('late')).rejects.toThrow('the client is closed')
  expect(closed).toBe(0)
  closing.resolve()
  await Promise.all(both)
  expect(closed).toBe(2)
})

test('close does not wait for a token that never comes', async () => {
  const box = memoryBox()
  const place = { device: 'd', boot: 'b', next: 1, epoch: 'e', offset: 3, seen: [], owed: [['link:ann', 1]] }
  await box.write([['place', place]])
  let asked = 0
  const app = start(box, {
    token: async () => {
      asked++
      return Promise.withResolvers<string>().promise
    },
  })
  await until(() => (asked > 0 ? true : undefined))
  await app.client.close()
  expect(app.links).toEqual(['connecting', 'connecting links names none', 'closed'])
})
