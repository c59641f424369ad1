import { GatewayError, errorTable } from 'dragoman'
import type { ErrorCode } from 'dragoman'
import { testMessage } from 'dragoman/testing'
import { expect, test } from 'vitest'

import { decodePayload, encodeError, encodeMessage, encodeReply } from '../../../../adapters/mqtt/payload.ts'

const decode = (text: string): unknown => decodePayload(Buffer.from(text)).value

test('never guesses types: numbers that a double would change stay text', () => {
  expect(decode('{"a":12345678901234567890,"b":1.10,"c":7}')).toEqual({
    a: '12345678901234567890',
    b: '1.10',
    c: 7,
  })
  expect(decode('007')).toBe('007')
  expect(decode('1.10')).toBe('1.10')
  expect(decode('42')).toBe(42)
  expect(decode('it is 21.5 C')).toBe('it is 21.5 C')
  expect(decode('')).toBe('')
})

test('other bytes than UTF-8 are kept', () => {
  expect(decodePayload(Uint8Array.from([0xff, 0x00, 0x41])).value).toEqual({ data_base64: '/wBB' })
})

test('a CloudEvent gives its data, id, type and time (CloudEvents 1.0.2 JSON format §3)', () => {
  const event = {
    specversion: '1.0',
    id: 'e1',
    source: '/s',
    type: 'device.alarm',
    time: '2026-01-01T00:00:00Z',
    data: { level: 1 },
  }
  expect(decodePayload(Buffer.from(JSON.stringify(event)))).toMatchObject({
    value: { level: 1 },
    event: { id: 'e1', type: 'device.alarm', time: '2026-01-01T00:00:00Z' },
  })
  expect(() => decode('{"specversion":"1.0","id":"e1"}')).toThrow(/needs an id and a type/u)
})

const eventOf = (members: object): ReturnType<typeof decodePayload> =>
  decodePayload(
    Buffer.from(JSON.stringify({ specversion: '1.0', id: 'e1', source: '/s', type: 't', ...members })),
  )
const base64 = (text: string): string => Buffer.from(text).toString('base64')

test.each([
  ['a text is what it says', { data: 'hello' }, 'hello', 'hello'],
  ['a number says nothing', { data: 7 }, 7, ''],
  ['nor does a list', { data: ['a'] }, ['a'], ''],
  ['without data there is none', {}, null, ''],
  [
    'JSON in data_base64',
    { data_base64: base64('{"level":1.10}'), datacontenttype: 'application/json' },
    { level: '1.10' },
    '',
  ],
  ['a text in data_base64', { data_base64: base64('hi'), datacontenttype: 'text/plain' }, 'hi', 'hi'],
  ['bytes', { data_base64: '/wBB', datacontenttype: 'image/png' }, { data_base64: '/wBB' }, ''],
  ['data_base64 without a type is bytes', { data_base64: '/wBB' }, { data_base64: '/wBB' }, ''],
  ['also where they are a text', { data_base64: base64('hi') }, { data_base64: base64('hi') }, ''],
  ['null is none', { data: 'hi', data_base64: null }, 'hi', 'hi'],
])(
  'the data of a CloudEvent, whatever it is (CloudEvents 1.0.2 JSON format §3.1): %s',
  (_, members, value, text) => {
    expect(eventOf(members)).toMatchObject({ value, text, event: { id: 'e1' } })
  },
)

test.each([
  [{ data: 1, data_base64: 'MQ==' }, /both data and data_base64/u],
  [{ data_base64: '%' }, /not Base64/u],
  [{ data_base64: 7 }, /not Base64/u],
  [{ data_base64: '/wBB', datacontenttype: 'application/json' }, /not JSON/u],
])('a CloudEvent whose data cannot be known is refused: %j', (members, problem) => {
  expect(() => eventOf(members)).toThrow(problem)
})

test.each(['{"a":', '[1', `${'['.repeat(100)}${']'.repeat(100)}`])(
  'what begins like JSON and is none is refused: %s',
  (text) => {
    expect(() => decode(text)).toThrow(GatewayError)
  },
)

test('every error code has its error payload, without a word of our insides', () => {
  for (const code of Object.keys(errorTable) as ErrorCode[]) {
    const error = new GatewayError(code, `refused: ${code}`, { cause: new Error('secret inside') })
    const text = encodeError(error, { topic: 'shop/7/alarm', id: 'a1' })
    expect(JSON.parse(text)).toMatchObject({
      error: { code, retry: errorTable[code].retry },
      topic: 'shop/7/alarm',
      id: 'a1',
    })
    expect(text).not.toMatch(/secret inside|\n\s+at /u)
  }
  expect(encodeError(new TypeError('secret inside'), { topic: 't' })).not.toContain('secret')
})

test('a message goes out as a CloudEvent with the key that removes repeats, without what is ours alone', () => {
  const message = {
    ...testMessage(),
    aside: true,
    replyContext: { v: 1 },
    raw: { mediaType: 'x', bytes: new Uint8Array() },
  }
  const event = JSON.parse(encodeMessage(message, 'k1'))
  expect(event).toMatchObject({
    specversion: '1.0',
    id: 'k1',
    source: '/channels/test',
    type: 'message.text',
    sequence: '1',
  })
  for (const ours of ['aside', 'raw', 'replyContext']) expect(event.data).not.toHaveProperty(ours)
})

test('a stale answer keeps its mark', () => {
  const text = encodeReply(
    { data: 1, origin: 'cache', stale: true, asOf: '2026-01-01T00:00:00Z' },
    { channel: 'c', type: 'GetOrder', id: 'm1', externalId: 'q1' },
  )
  expect(JSON.parse(text)).toMatchObject({
    correlationid: 'q1',
    data: { stale: true, asOf: '2026-01-01T00:00:00Z' },
  })
})
