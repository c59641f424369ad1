// How large a frame is (DESIGN §16): as compact JSON text, its numbers as they came, whatever it arrives with.
import { expect, test, vi } from 'vitest'
import type { Json } from '../../../../core/api.ts'
import { readFrames } from '../../../../core/link/codec.ts'
import { FRAME_BYTES } from '../../../../core/link/figures.ts'

const HELLO = '{"t":"hello","v":1,"device":"d","boot":"b","first":1,"epoch":"","offset":0}'

/** A `send` of so many bytes as compact text: its data is `9.90` or what is given, over and over, and a text that fills it up. */
function sendOf(bytes: number, item = '9.90'): string {
  const of = (items: number, fill: number): string =>
    `{"t":"send","n":1,"id":"i","message":{"data":[${Array.from({ length: items }, () => item).join(',')}],"text":"${'x'.repeat(fill)}"}}`
  const items = Math.floor((bytes - 1000) / (item.length + 1))
  return of(items, bytes - of(items, 0).length)
}

/** What is said of the frame by itself, in an array, in the envelope of HTTP, and as bytes behind a hello. */
function verdicts(frame: string): readonly string[] {
  const inputs = [
    frame,
    `[${frame}]`,
    `[${HELLO},${frame}]`,
    `{"frames":[${HELLO},${frame}]}`,
    Buffer.from(` ${'\n'.repeat(FRAME_BYTES)}[${frame}]`),
  ]
  return inputs.map((input) => {
    const arrival = readFrames(input).at(-1)
    return arrival?.status === 'refused' ? `${arrival.code}: ${arrival.message}` : 'taken'
  })
}

test.each([
  '9.90',
  '1e5',
  '-1.50E+10',
  '12345678901234567890',
  '-0',
  '[7,0.10]',
  '"\\u4e2d"',
  String.raw`"5.0\"6.0\\",7.0`,
])(
  'DESIGN §16: a frame of 64 KiB that holds %s is taken by itself, in an array and behind its hello',
  (item) => {
    const frame = sendOf(FRAME_BYTES, item)
    expect(Buffer.byteLength(frame)).toBe(FRAME_BYTES)
    expect(new Set(verdicts(frame))).toEqual(new Set(['taken']))
  },
)

test('DESIGN §16: one byte more is too large by itself, in an array and behind its hello, and the refusal names its bytes', () => {
  const said = verdicts(sendOf(FRAME_BYTES + 1))
  expect(new Set(said)).toEqual(new Set(['too_large: the frame has 65537 bytes, more than 65536']))
})

test('blanks, and escapes that could be left out, do not count', () => {
  const frame = sendOf(FRAME_BYTES)
    .replaceAll(',', ' , ')
    .replace('xxx', String.raw`\u0078xx`)
  expect(new Set(verdicts(frame))).toEqual(new Set(['taken']))
})

test('a frame that comes as data is as large as the text it would be', () => {
  const [taken] = readFrames(JSON.parse(sendOf(FRAME_BYTES, '9.5')) as Json)
  const [refused] = readFrames(JSON.parse(sendOf(FRAME_BYTES + 1, '9.5')) as Json)
  expect([taken, refused]).toMatchObject([{ status: 'frame' }, { code: 'too_large', n: 1, id: 'i' }])
})

test('a frame of decimals that is too large is measured without another call for each of its numbers', () => {
  const text = `[${sendOf(200_000)}]`
  const parse = vi.spyOn(JSON, 'parse')
  try {
    expect(readFrames(text)).toMatchObject([{ code: 'too_large' }])
    expect(parse.mock.calls.filter(([, reviver]) => reviver !== undefined)).toHaveLength(1)
  } finally {
    parse.mockRestore()
  }
})

test('what is nested too deep is refused by its number, in an arrival of any size', () => {
  const deep = `{"t":"send","n":1,"id":"i","message":{"data":${'['.repeat(30_000)}1.5${']'.repeat(30_000)}}}`
  const [arrival] = readFrames(`[${deep},${sendOf(40_000)}]`)
  expect(arrival).toMatchObject({ status: 'refused', n: 1, id: 'i' })
})
