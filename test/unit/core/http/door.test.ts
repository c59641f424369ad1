// The door of the edge: decided by the head alone, by priority, in the caller's own protocol.
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { GatewayError } from '../../../../core/api.ts'
import type { Admission, Entry } from '../../../../core/guard/admission.ts'
import { running, wire } from './raw-client.ts'
import type { RunOptions } from './raw-client.ts'

const overloaded = new GatewayError('OVERLOADED', 'come again later', {
  retryAfterMs: 2000,
  notExecuted: true,
})

/** Lets in whom the test says, and remembers who came. */
function keeper(enter: (entry: Entry) => Promise<void> | undefined = () => undefined) {
  const entries: Entry[] = []
  const admission: Admission = {
    waiting: 0,
    perTurn: 1,
    goOn: () => undefined,
    enter(entry) {
      entries.push(entry)
      return enter(entry)
    },
  }
  return { admission, entries }
}
const refuse = (): never => {
  throw overloaded
}
const normal = { priority: 'normal', sheds: true } as const

function open(admission: Admission, more: Partial<RunOptions> = {}) {
  return running({
    edge: { admission },
    mounts: [
      {
        path: '/web',
        channel: 'web',
        admission: normal,
        handler: async () => ({ status: 200, body: 'done' }),
      },
      { path: '/admin', channel: 'admin', handler: async () => ({ status: 200, body: 'own' }) },
    ],
    ...more,
  })
}
const head = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`

test('a refusal needs no body: 503 with Retry-After while the caller has sent nothing but the head', async () => {
  const { admission } = keeper(refuse)
  await using edge = await open(admission)
  const caller = wire(
    edge.port,
    'POST /web HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n',
  )
  const answer = await caller.until(/"code":"OVERLOADED"/u)
  expect(answer).toMatch(/^HTTP\/1\.1 503 /u)
  expect(answer).toMatch(/retry-after: 2\r\n/iu)
  expect(edge.refused).toEqual(['admission web'])
  caller.socket.destroy()
})

test('a caller who speaks XML gets one line of text', async () => {
  const { admission } = keeper(refuse)
  await using edge = await open(admission)
  const answer = await fetch(`${edge.origin}/web`, {
    method: 'POST',
    headers: { 'content-type': 'text/xml' },
    body: '<a/>',
  })
  expect([answer.status, await answer.text()]).toEqual([503, 'OVERLOADED: come again later\n'])
})

test('under overload a channel is not asked for its own words', async () => {
  const { admission } = keeper(refuse)
  let asked = 0
  const refused = () => {
    asked++
    return { contentType: 'text/x-own', body: 'own' }
  }
  const handler = async () => ({ status: 200, body: 'done' })
  await using edge = await open(admission, {
    mounts: [{ path: '/web', channel: 'web', admission: normal, handler, refused }],
  })
  const answer = await fetch(`${edge.origin}/web`)
  expect([answer.status, await answer.json()]).toMatchObject([503, { code: 'OVERLOADED' }])
  expect(asked).toBe(0)
})

test('after a refusal the connection goes on: a small body that came with its head costs nobody a new one', async () => {
  const { admission } = keeper(refuse)
  await using edge = await open(admission)
  const post = 'POST /web HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}'
  const caller = wire(edge.port, post)
  await caller.until(/OVERLOADED/u)
  caller.send(post)
  await caller.until(/OVERLOADED[\s\S]*OVERLOADED/u)
  caller.socket.destroy()
})

test('the gateway’s own pages are always let in', async () => {
  const { admission, entries } = keeper(refuse)
  await using edge = await open(admission)
  expect((await fetch(`${edge.origin}/admin`)).status).toBe(200)
  expect(entries).toEqual([])
})

test.each([
  ['u=0', 'urgent'],
  ['u=1, i', 'urgent'],
  ['i, u=2', 'high'],
  ['u=3', 'normal'],
  ['u=5', 'low'],
  ['u=7;x', 'low'],
  ['u=8', 'normal'],
  ['urgent', 'normal'],
  ['', 'normal'],
])('RFC 9218: a program’s "Priority: %s" is %s', async (value, priority) => {
  const { admission, entries } = keeper()
  await using edge = await open(admission)
  expect((await fetch(`${edge.origin}/web`, { headers: { priority: value } })).status).toBe(200)
  expect(entries.map((entry) => entry.priority)).toEqual([priority])
})

test('a customer may lower his priority, never raise it', async () => {
  const { admission, entries } = keeper()
  await using edge = await open(admission)
  const ask = (priority: string) =>
    fetch(`${edge.origin}/web`, { headers: { authorization: 'Bearer ann', priority } })
  await ask('u=0')
  await ask('u=7')
  expect(entries.map((entry) => entry.priority)).toEqual(['normal', 'low'])
})

test('nobody without a name raises his priority through an open door, or where the handler looks for it; a program with its key does', async () => {
  const { admission, entries } = keeper()
  await using edge = await open(admission, {
    identity: { keys: { crm: { key: 'the-key-of-the-crm' } } },
    mounts: [
      {
        path: '/web',
        channel: 'web',
        access: { open: true },
        admission: normal,
        handler: async () => ({ status: 200, body: 'done' }),
      },
      {
        path: '/signed',
        channel: 'signed',
        access: 'handler',
        admission: normal,
        handler: async () => ({ status: 200, body: 'done' }),
      },
    ],
  })
  await fetch(`${edge.origin}/web`, { headers: { priority: 'u=0' } })
  await fetch(`${edge.origin}/web`, {
    headers: { priority: 'u=0', authorization: 'Bearer the-key-of-the-crm' },
  })
  await fetch(`${edge.origin}/signed`, { headers: { priority: 'u=0' } }) // whose signature nobody has looked at
  expect(entries.map((entry) => entry.priority)).toEqual(['normal', 'urgent', 'normal'])
})

test('who is let in later is served then; who has gone meanwhile is not, and is no failure', async () => {
  const turn = Promise.withResolvers<void>()
  const { admission, entries } = keeper((entry) => {
    const { promise, reject, resolve } = Promise.withResolvers<void>()
    entry.signal?.addEventListener('abort', () => reject(entry.signal?.reason))
    void turn.promise.then(resolve)
    return promise
  })
  await using edge = await open(admission)
  const gone = wire(edge.port, head('/web'))
  const patient = wire(edge.port, head('/web'))
  await expect.poll(() => entries.length).toBe(2)
  gone.socket.destroy()
  await expect.poll(() => entries.some(({ signal }) => signal?.aborted === true)).toBe(true)
  turn.resolve()
  expect(await patient.until(/done/u)).toMatch(/^HTTP\/1\.1 200/u)
  expect(gone.text).toBe('')
  expect(edge.refused).toEqual([])
  expect(edge.lines).toEqual([])
  patient.socket.destroy()
})

test('RFC 6455 §7.4: a WebSocket is closed with 1013, which a page can see', async () => {
  const { admission } = keeper(refuse)
  await using edge = await open(admission, {
    sockets: [
      {
        path: '/ws',
        channel: 'web',
        admission: normal,
        handler: () => expect.unreachable('it was let in'),
        options: { protocols: ['dragoman.1'] },
        open: new Set(),
      },
    ],
  })
  const client = new WebSocket(`${edge.origin.replace('http', 'ws')}/ws`, ['dragoman.1'])
  const [code, reason] = await once(client, 'close')
  expect([code, String(reason)]).toEqual([1013, 'the gateway is overloaded: connect again later'])
  expect(edge.refused).toEqual(['admission web'])
})
