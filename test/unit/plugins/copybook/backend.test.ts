import type { Socket } from 'node:net'

import { testMessage, testPlugin, testScope } from 'dragoman/testing'
import { GatewayError } from 'dragoman'
import type { Backend, BackendCall, Json } from 'dragoman'
import { afterAll, describe, expect, test } from 'vitest'

import { charsetOf } from '../../../../plugins/_examples/copybook/charset.ts'
import adapter from '../../../../plugins/_examples/copybook/index.ts'
import { counterpart, prefixed } from './counterpart.ts'
import type { Counterpart } from './counterpart.ts'
import { createFrom } from '../../../support/create-from.ts'

const cp037 = charsetOf('cp037')
const config = {
  host: '127.0.0.1',
  framing: { by: 'prefix', bytes: 4 },
  names: 'camel',
  copybooks: {
    ask: '01 ASK.\n 05 FUNCTION-CODE PIC X(3).\n 05 POLICY-NO PIC 9(6).\n 05 AMOUNT PIC S9(5)V99 COMP-3.\n 05 REQUEST-ID PIC X(36).',
    reply: '01 REPLY.\n 05 RESULT PIC XX.\n 05 RESULT-TEXT PIC X(20).\n 05 BALANCE PIC S9(5)V99 COMP-3.',
  },
  operations: {
    GetPolicy: {
      request: 'ask',
      reply: 'reply',
      set: { functionCode: 'INQ' },
      fault: { field: 'RESULT', ok: ['00'], message: 'RESULT-TEXT' },
    },
    Pay: { request: 'ask', reply: 'reply', set: { functionCode: 'PAY' }, key: 'requestId' },
    Note: { request: 'ask' },
  },
}

const reply = (result: string, text: string, packed = '000123450d'): Buffer =>
  Buffer.concat([cp037.encode(result + text.padEnd(20)), Buffer.from(packed.slice(2), 'hex')])

/** Every policy but 999999 is known; others say on which connection they came. */
const answering = (record: Buffer, socket: Socket): void => {
  const policyNo = cp037.decode(record.subarray(3, 9))
  socket.write(prefixed(policyNo === '999999' ? reply('04', 'NO SUCH POLICY') : reply('00', policyNo)))
}

function open(port: number, more: Readonly<Record<string, unknown>> = {}): Backend {
  const backend = createFrom(adapter.backend, { ...config, port, ...more }, testScope({ id: 'policies' }))
  return backend
}

function call(operation: string, params: Json, key = 'key-1'): BackendCall {
  return {
    operation,
    params,
    message: testMessage({ kind: 'request', type: operation, data: params }),
    key,
    attempt: 1,
  }
}
const ask = (backend: Backend, policyNo: string, ms = 10_000): Promise<unknown> =>
  backend.call(call('GetPolicy', { policyNo }), AbortSignal.timeout(ms))
const failure = async (work: Promise<unknown>): Promise<GatewayError> =>
  work.then(
    () => expect.unreachable(),
    (error: unknown) => {
      if (error instanceof GatewayError) return error
      throw error
    },
  )

const steady = await counterpart(answering)
afterAll(() => steady[Symbol.asyncDispose]())

await testPlugin('copybook', {
  file: new URL('../../../../plugins/_examples/copybook/index.ts', import.meta.url),
  backend: {
    config: { ...config, port: steady.port },
    calls: [
      {
        operation: 'GetPolicy',
        params: { policyNo: '777' },
        answer: { data: { result: '00', resultText: '000777', balance: '-1234.50' } },
      },
      {
        operation: 'GetPolicy',
        params: { policyNo: '999999' },
        answer: { fault: { code: '04', message: 'NO SUCH POLICY', detail: { result: '04' } } },
      },
      { operation: 'Note', params: { policyNo: 1 }, answer: {} },
    ],
  },
})

describe('what is sent', () => {
  test('the config fixes fields, the call its key; a caller says neither', async () => {
    await using other = await counterpart(answering)
    await using backend = open(other.port)
    await backend.call(
      call('Pay', { policyNo: '12', amount: '-1.5' }, 'key-of-the-call'),
      AbortSignal.timeout(30_000),
    )
    expect(cp037.decode(other.requests[0]?.subarray(0, 9) ?? new Uint8Array())).toBe('PAY000012')
    expect(Buffer.from(other.requests[0]?.subarray(9, 13) ?? []).toString('hex')).toBe('0000150d')
    expect(cp037.decode(other.requests[0]?.subarray(13) ?? new Uint8Array())).toBe(
      'key-of-the-call'.padEnd(36),
    )
    const refused = await failure(
      backend.call(call('Pay', { functionCode: 'DEL' }), AbortSignal.timeout(30_000)),
    )
    expect(refused).toMatchObject({ code: 'DECODE_FAILED', notExecuted: true })
    expect(other.requests).toHaveLength(1)
  })

  test.each<[Json, RegExp]>([
    [{ policyNo: '1234567' }, /POLICY-NO \(byte 4\)/],
    [{ policyno: '1' }, /ASK has no policyno/],
    [['1'], /takes an object/],
  ])('%j is the caller’s mistake, and nothing goes out', async (params, why) => {
    await using backend = open(steady.port)
    const error = await failure(backend.call(call('GetPolicy', params), AbortSignal.timeout(30_000)))
    expect(error).toMatchObject({ code: 'DECODE_FAILED', notExecuted: true })
    expect(error.message).toMatch(why)
  })

  test.each([
    [{ request: 'asks' }, /there is no copybook "asks"/],
    [{ request: 'ask', set: { functioncode: 'X' } }, /set: ASK has no functioncode/],
    [{ request: 'ask', key: 'policyNo' }, /key: POLICY-NO/],
    [{ request: 'ask', reply: 'reply', fault: { field: 'RC', ok: ['0'] } }, /fault: there is no field RC/],
    [{ request: 'ask', fault: { field: 'AMOUNT', ok: ['0'] } }, /a fault needs a reply/],
  ])('the config %j is refused before anything is called', (operation, why) => {
    expect(() => open(1, { operations: { X: operation } })).toThrow(why)
  })

  test('a copybook that cannot be read is named, with its line', () => {
    expect(() => open(1, { copybooks: { ...config.copybooks, ask: '01 A.\n 05 B PIC Q.' } })).toThrow(
      /copybook "ask": line 2: PIC Q/,
    )
  })
})

describe('the lines', () => {
  test('one connection serves call after call, and no more are open than the config says', async () => {
    await using other = await counterpart(answering)
    await using backend = open(other.port, { sockets: 3 })
    for (const each of ['1', '2', '3'])
      expect(await ask(backend, each)).toMatchObject({ data: { resultText: `00000${each}` } })
    expect(other.connections).toBe(1)
    const many = await Promise.all(
      Array.from({ length: 40 }, (_none, index) => ask(backend, String(100 + index))),
    )
    expect(many).toEqual(
      many.map((_any, index) =>
        expect.objectContaining({ data: expect.objectContaining({ resultText: `000${100 + index}` }) }),
      ),
    )
    expect(other.connections).toBeLessThanOrEqual(3)
  })

  test('a call after the other side has closed goes over a new connection', async () => {
    await using other = await counterpart(answering)
    await using backend = open(other.port)
    await ask(backend, '1')
    other.drop()
    await new Promise((resolve) => setImmediate(resolve))
    await expect
      .poll(() => ask(backend, '2').catch(() => undefined))
      .toMatchObject({ data: { resultText: '000002' } })
  })

  test('a system that closes after each answer is asked over a new connection each time', async () => {
    await using other = await counterpart((record, socket) => {
      answering(record, socket)
      socket.end()
    })
    await using backend = open(other.port, { keep: false })
    for (const each of ['1', '2', '3', '4'])
      expect(await ask(backend, each)).toMatchObject({ data: { resultText: `00000${each}` } })
    expect(other.connections).toBe(4)
  })

  test('an answer in pieces is one answer', async () => {
    await using other = await counterpart((_record, socket) => {
      const bytes = prefixed(reply('00', 'slow'))
      const next = (at: number): void => {
        if (at < bytes.byteLength) socket.write(bytes.subarray(at, at + 1), () => setImmediate(next, at + 1))
      }
      next(0)
    })
    await using backend = open(other.port)
    expect(await ask(backend, '1')).toMatchObject({ data: { resultText: 'slow' } })
  })

  test('a late answer never meets the next call: the line of a call that ran out of time is closed', async () => {
    const late: (() => void)[] = []
    await using other = await counterpart((record, socket, nth) => {
      if (nth === 1) late.push(() => answering(record, socket))
      else answering(record, socket)
    })
    await using backend = open(other.port, { sockets: 1 })
    expect(await failure(ask(backend, '111111', 300))).toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      notExecuted: false,
    })
    for (const each of late) each()
    expect(await ask(backend, '222222')).toMatchObject({ data: { resultText: '222222' } })
    expect(other.connections).toBe(2)
  })

  test('who waits for a free line in vain has sent nothing', async () => {
    await using other = await counterpart(() => undefined)
    await using backend = open(other.port, { sockets: 1 })
    const first = failure(ask(backend, '1', 1500))
    const second = await failure(ask(backend, '2', 300))
    expect(second).toMatchObject({ code: 'DEADLINE_EXCEEDED', notExecuted: true })
    expect(await first).toMatchObject({ code: 'DEADLINE_EXCEEDED', notExecuted: false })
    expect(other.requests).toHaveLength(1)
  })

  test.each<[string, (socket: Socket) => unknown, RegExp]>([
    [
      'a length beyond the record',
      (socket) => socket.write(Buffer.from('7fffffff', 'hex')),
      /2147483647 bytes/,
    ],
    [
      'a record that is too short',
      (socket) => socket.write(prefixed(Buffer.alloc(3))),
      /has 3 bytes, its copybook 26/,
    ],
    [
      'digits that are none',
      (socket) => socket.write(prefixed(reply('00', 'x', '00zz').subarray(0, 22))),
      /has 22 bytes/,
    ],
    [
      'no packed decimal',
      (socket) => socket.write(prefixed(reply('00', 'x', '00ffffffff'))),
      /BALANCE \(byte 23\)/,
    ],
    [
      'half an answer and the end',
      (socket) => socket.end(prefixed(reply('00', 'x')).subarray(0, 9)),
      /cut before the answer/,
    ],
    ['nothing and the end', (socket) => socket.destroy(), /cut before the answer/],
  ])(
    '%s is BACKEND_FAILED, never said to be not executed; the next call is served',
    async (_what, bad, why) => {
      await using other = await counterpart((record, socket, nth) =>
        nth === 1 ? bad(socket) : answering(record, socket),
      )
      await using backend = open(other.port)
      const error = await failure(ask(backend, '1'))
      expect(error).toMatchObject({ code: 'BACKEND_FAILED', notExecuted: false })
      expect(error.message).toMatch(why)
      expect(await ask(backend, '2')).toMatchObject({ data: { resultText: '000002' } })
    },
  )

  test('what comes behind an answer closes the line: it answers nothing', async () => {
    await using other = await counterpart((record, socket, nth) => {
      answering(record, socket)
      if (nth === 1) socket.write(prefixed(reply('00', 'stray')))
    })
    await using backend = open(other.port, { sockets: 1 })
    expect(await ask(backend, '1')).toMatchObject({ data: { resultText: '000001' } })
    await expect
      .poll(() => ask(backend, '2').catch(() => undefined))
      .toMatchObject({ data: { resultText: '000002' } })
  })

  test('nobody there: proven not executed; the probe says the same', async () => {
    const gone: Counterpart = await counterpart(answering)
    await gone[Symbol.asyncDispose]()
    await using backend = open(gone.port)
    expect(await failure(ask(backend, '1'))).toMatchObject({ code: 'BACKEND_FAILED', notExecuted: true })
    await expect(backend.probe?.(AbortSignal.timeout(30_000))).rejects.toThrow(/cannot be reached/)
    await using there = open(steady.port)
    await expect(there.probe?.(AbortSignal.timeout(30_000))).resolves.toBeUndefined()
  })

  test('more than a thousand calls do not wait for a line: they are refused, and nothing was sent', async () => {
    await using other = await counterpart(() => undefined)
    await using backend = open(other.port, { sockets: 1 })
    const ends = new AbortController()
    const all = Array.from({ length: 1001 }, () =>
      failure(backend.call(call('GetPolicy', { policyNo: '1' }), ends.signal)),
    )
    expect(await failure(ask(backend, '2'))).toMatchObject({ code: 'OVERLOADED', notExecuted: true })
    ends.abort(new GatewayError('DEADLINE_EXCEEDED', 'enough'))
    expect(new Set((await Promise.all(all)).map(({ code }) => code))).toEqual(new Set(['DEADLINE_EXCEEDED']))
  })

  test('its end ends calls under way, and refuses new ones', async () => {
    await using other = await counterpart(() => undefined)
    const backend = open(other.port, { sockets: 1 })
    const calls = [failure(ask(backend, '1')), failure(ask(backend, '2'))]
    await expect.poll(() => other.requests.length).toBe(1)
    await backend[Symbol.asyncDispose]()
    expect((await Promise.all(calls)).map(({ code }) => code)).toEqual(['BACKEND_FAILED', 'BACKEND_FAILED'])
    expect(await failure(ask(backend, '3'))).toMatchObject({ notExecuted: true })
  })
})
