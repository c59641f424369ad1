// The gateway's own pages, and what is answered before there are any.
import { expect, test } from 'vitest'
import { startingMount } from '../../../core/own-pages.ts'
import { exchange, running } from './http/raw-client.ts'

const FOREIGN = 'Host: desk.example\r\n'

test.each([
  ['a name and a password, by another name of this machine', `${FOREIGN}Authorization: Basic dTpw\r\n`],
  ['no credential, by another name of this machine', FOREIGN],
  ["a bot's callback token", 'Host: localhost\r\nAuthorization: Bearer a.b.c\r\n'],
  ['a key for some channels', 'Host: localhost\r\nX-API-Key: key-of-the-pos\r\n'],
  ['a body that is never sent', 'Host: localhost\r\nContent-Length: 500\r\n'],
])('while the gateway starts, %s is 503 with Retry-After', async (_what, headers) => {
  await using edge = await running({
    identity: { keys: { pos: { key: 'key-of-the-pos', channels: ['crm'] } } },
    mounts: [startingMount],
  })
  const answer = await exchange(edge.port, `POST /any HTTP/1.1\r\nConnection: close\r\n${headers}\r\n`)
  expect(answer).toMatch(/^HTTP\/1\.1 503 [^]*\r\nretry-after: 1\r\n[^]*the gateway is starting/iu)
  expect(edge.refused).toEqual([])
})
