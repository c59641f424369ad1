import { testHost, testPlugin, testScope } from 'dragoman/testing'
import type { TestHost } from 'dragoman/testing'
import { GatewayError } from 'dragoman'
import type { Accepted, Channel, Draft } from 'dragoman'
import { describe, expect, test } from 'vitest'

import { freePort } from '../../../../bin/demo/free-port.ts'
import { charsetOf } from '../../../../plugins/_examples/copybook/charset.ts'
import adapter from '../../../../plugins/_examples/copybook/index.ts'
import { client, prefixed } from './counterpart.ts'

const cp037 = charsetOf('cp037')
const ebcdic = (text: string): Buffer => Buffer.from(cp037.encode(text))
const text = (bytes: Uint8Array): string => cp037.decode(bytes)

const config = {
  framing: { by: 'prefix', bytes: 4 },
  copybooks: {
    ask: '01 ASK.\n 05 FUNCTION-CODE PIC X(3).\n 05 POLICY-NO PIC 9(6).',
    note: '01 NOTE.\n 05 FUNCTION-CODE PIC X(3).\n 05 NOTE-TEXT PIC X(10).',
    reply: '01 REPLY.\n 05 RESULT PIC XX.\n 05 REASON PIC X(12).\n 05 HOLDER PIC X(6).',
  },
  records: [
    {
      operation: 'GetPolicy',
      copybook: 'ask',
      when: { field: 'FUNCTION-CODE', is: ['INQ'] },
      answer: { copybook: 'reply', ok: { RESULT: '00' }, refused: { RESULT: '99' }, message: 'REASON' },
    },
    { operation: 'Note', copybook: 'note', when: { field: 'FUNCTION-CODE', is: ['NOT'] } },
  ],
  path: '/records',
}

await testPlugin('copybook', {
  file: new URL('../../../../plugins/_examples/copybook/index.ts', import.meta.url),
  channel: {
    config: { ...config, listen: { port: await freePort() } },
    request: { path: '/records', body: ebcdic('INQ000777') },
    draft: { kind: 'request', type: 'GetPolicy', data: { 'FUNCTION-CODE': 'INQ', 'POLICY-NO': '000777' } },
    reply: { data: { HOLDER: 'ANN' }, origin: 'backend' },
  },
})

interface Opened extends AsyncDisposable {
  readonly host: TestHost
  readonly port: number
}

async function open(
  listen: Readonly<Record<string, unknown>> = {},
  wrap = (host: TestHost): TestHost => host,
): Promise<Opened> {
  const port = await freePort()
  const validated = await adapter.channel?.config['~standard'].validate({
    ...config,
    listen: { port, ...listen },
  })
  if (validated === undefined || validated.issues !== undefined)
    throw new TypeError(JSON.stringify(validated?.issues))
  const channel: Channel | undefined = adapter.channel?.create(validated.value, testScope())
  const host = wrap(testHost())
  await channel?.start(host, new AbortController().signal)
  return { host, port, [Symbol.asyncDispose]: async () => channel?.[Symbol.asyncDispose]() }
}

describe('over HTTP', () => {
  test('a record is answered by a record; a refusal too, in its own words and with its status', async () => {
    await using opened = await open()
    const { host } = opened
    host.answer({ data: { HOLDER: 'ANN' }, origin: 'backend' })
    const good = await host.handle({
      path: '/records',
      body: ebcdic('INQ000777'),
      headers: { 'idempotency-key': '"k1"' },
    })
    expect(good).toMatchObject({ status: 200, carries: 'm1' })
    expect(text(good.body as Uint8Array)).toBe('00            ANN   ') // the channel answers bytes
    expect(host.drafts[0]).toMatchObject({
      externalId: 'k1',
      raw: { bytes: new Uint8Array(ebcdic('INQ000777')) },
    })
    host.answer({ fault: { code: 'NotFound', message: 'no policy 000777 €' }, origin: 'backend' })
    const fault = await host.handle({ path: '/records', body: ebcdic('INQ000777') })
    expect(fault.status).toBe(200)
    expect(text(fault.body as Uint8Array)).toBe('99no policy 00      ')
    host.answer(new GatewayError('OVERLOADED', 'later', { retryAfterMs: 1500 }))
    const later = await host.handle({ path: '/records', body: ebcdic('INQ000777') })
    expect(later).toMatchObject({ status: 503, headers: { 'retry-after': '2' } })
    expect(text(later.body as Uint8Array)).toBe('99later             ')
  })

  test.each([
    ['GET', '/records', 405],
    ['POST', '/records/x', 404],
  ])('%s %s is %d', async (method, path, status) => {
    await using opened = await open()
    expect(await opened.host.handle({ method, path })).toMatchObject({ status })
  })

  test('an answer that does not fit its record is said as such', async () => {
    await using opened = await open()
    opened.host.answer({ data: { HOLDER: 'TOO LONG A NAME' }, origin: 'backend' })
    const { status, body } = await opened.host.handle({ path: '/records', body: ebcdic('INQ000777') })
    expect(status).toBe(500)
    expect(text(body as Uint8Array)).toBe('99the answer d      ')
  })
})

describe('over TCP', () => {
  test('one connection asks one thing after the other and is answered in that order, however it is cut', async () => {
    await using opened = await open()
    opened.host.answer({ data: { HOLDER: 'ANN' }, origin: 'backend' })
    using line = await client(opened.port)
    const three = Buffer.concat([1, 2, 3].map((each) => prefixed(ebcdic(`INQ00000${each}`))))
    for (const byte of three) line.socket.write(Uint8Array.of(byte))
    const answers = await line.read(3 * 24)
    for (const at of [0, 24, 48]) {
      expect(answers.readUInt32BE(at)).toBe(20)
      expect(text(answers.subarray(at + 4, at + 24))).toBe('00            ANN   ')
    }
    expect(opened.host.drafts.map(({ data }) => data)).toMatchObject([
      { 'POLICY-NO': '000001' },
      { 'POLICY-NO': '000002' },
      { 'POLICY-NO': '000003' },
    ])
  })

  test('who closes his half after asking still gets his answer', async () => {
    await using opened = await open()
    opened.host.answer({ data: {}, origin: 'backend' })
    using line = await client(opened.port)
    line.socket.end(prefixed(ebcdic('INQ000001')))
    expect(text((await line.read(24)).subarray(4, 6))).toBe('00')
    await line.ended
  })

  test('a refused record with an answer is answered, and the line goes on', async () => {
    await using opened = await open()
    opened.host.answer(new GatewayError('BREAKER_OPEN', 'out of order'))
    using line = await client(opened.port)
    line.socket.write(prefixed(ebcdic('INQ000001')))
    expect(text((await line.read(24)).subarray(4))).toBe('99out of order      ')
    line.socket.write(prefixed(ebcdic('INQ00000x')))
    expect(text((await line.read(24)).subarray(4))).toMatch(/^99POLICY-NO \(b/)
    expect(opened.host.drafts).toHaveLength(1)
  })

  test('one that is refused without an answer is told by the end of the line', async () => {
    await using opened = await open()
    opened.host.answer(new GatewayError('STORE_UNAVAILABLE', 'no store'))
    using line = await client(opened.port)
    line.socket.write(prefixed(ebcdic('NOTsome words')))
    await line.ended
    expect(opened.host.drafts).toHaveLength(1)
  })

  test.each([
    ['a length beyond every record', Buffer.from('00100000', 'hex')],
    ['a record nobody knows', prefixed(ebcdic('DEL000001'))],
    ['half a record that never goes on', Buffer.from('0000', 'hex')],
    ['nothing at all', Buffer.alloc(0)],
  ])('%s closes the line, and nothing is handed in', async (_what, bytes) => {
    await using opened = await open({ frameMs: 200, idleMs: 400 })
    using line = await client(opened.port)
    line.socket.write(bytes)
    await line.ended
    expect(opened.host.drafts).toHaveLength(0)
  })

  test('byte by byte does not stretch the time of a record', async () => {
    await using opened = await open({ frameMs: 400 })
    using line = await client(opened.port)
    line.socket.write(Buffer.from('00000009', 'hex'))
    const drip = setInterval(() => line.socket.write(Uint8Array.of(0)), 100)
    try {
      await line.ended
    } finally {
      clearInterval(drip)
    }
    expect(opened.host.drafts).toHaveLength(0)
  })

  test('more connections than the config has are closed at once', async () => {
    await using opened = await open({ sockets: 1 })
    opened.host.answer({ data: {}, origin: 'backend' })
    using first = await client(opened.port)
    first.socket.write(prefixed(ebcdic('INQ000001')))
    await first.read(24)
    using second = await client(opened.port)
    await second.ended
    first.socket.write(prefixed(ebcdic('INQ000002')))
    await first.read(24)
  })

  test('only addresses of `from` may connect; beyond loopback there must be some', async () => {
    await using opened = await open({ from: ['10.0.0.0/8', '::2'] })
    using line = await client(opened.port)
    await line.ended
    await using allowed = await open({ from: ['127.0.0.0/8'] })
    allowed.host.answer({ data: {}, origin: 'backend' })
    using other = await client(allowed.port)
    other.socket.write(prefixed(ebcdic('INQ000001')))
    await other.read(24)
    await expect(open({ host: '0.0.0.0' })).rejects.toThrow(/beyond loopback/)
  })

  test('its end answers what is worked on and takes no new connection; the next version listens already', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    const slow = (host: TestHost): TestHost => ({
      ...host,
      async accept(draft: Draft): Promise<Accepted> {
        begun.resolve()
        await promise
        return host.accept(draft)
      },
    })
    const opened = await open({}, slow)
    opened.host.answer({ data: {}, origin: 'backend' })
    using busy = await client(opened.port)
    using idle = await client(opened.port)
    busy.socket.write(prefixed(ebcdic('INQ000001')))
    await begun.promise
    await using next = await open({ port: opened.port })
    next.host.answer({ data: {}, origin: 'backend' })
    const ended = opened[Symbol.asyncDispose]()
    await idle.ended
    resolve()
    await busy.read(24)
    await ended
    using later = await client(opened.port)
    later.socket.write(prefixed(ebcdic('INQ000001')))
    await later.read(24)
    expect(next.host.drafts).toHaveLength(1)
  })
})
