import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Json } from 'dragoman'
import { encodeExtended } from '../../../../adapters/xml/charset.ts'
import { loop } from './loop.ts'
import { dataOf } from './service.ts'

// Issue of every XML gateway: what must come through as it is (DESIGN §3).
const delicate = [
  '007',
  '1e5',
  '+8613800138000',
  '12345678901234567890',
  '9007199254740993',
  '1.10',
  '  spaces  ',
  '',
  ' ',
  '\t\n\r\n',
  '<![CDATA[x]]>',
  ']]>',
  '&#x4e2d;',
  '&amp;',
  '中文 王小明 <&>"\'',
  'true',
  'null',
  '__proto__',
  '😀',
  '%D6%D0+a=b&c',
  '\u0085\u2028',
] as const

/** Characters XML 1.0 §2.2 has. */
const character = fc
  .oneof(
    { weight: 4, arbitrary: fc.integer({ min: 0x20, max: 0x7e }) },
    { weight: 3, arbitrary: fc.integer({ min: 0x4e00, max: 0x9fa5 }) },
    { weight: 1, arbitrary: fc.constantFrom(0x9, 0xa, 0xd, 0x85, 0xa0, 0x2028, 0xfffd, 0x1f600, 0x20000) },
  )
  .map((code) => String.fromCodePoint(code))
const text = fc.oneof(fc.constantFrom(...delicate), fc.string({ unit: character, maxLength: 30 }))
const charset = fc.constantFrom('utf-8', 'gb18030', 'gbk', 'big5', 'utf-16', 'iso-8859-1')
/** Names XML has, some of them names of Object.prototype. */
const name = fc.constantFrom('a', 'b', 'orderNo', '订单号', '__proto__', 'constructor', 'toString', 'x.y-z_1')

function members(values: fc.Arbitrary<Json>): fc.Arbitrary<Json> {
  return fc
    .uniqueArray(fc.tuple(name, values), { minLength: 1, maxLength: 4, selector: ([key]) => key })
    .map((entries) => Object.fromEntries(entries))
}

const operation = 'Echo'
const lists = ['item', 'deep/item'].flatMap((place) => [`Echo/${place}`, `EchoResponse/${place}`])

describe('plain XML', () => {
  const tree: fc.Arbitrary<Json> = fc.letrec<{ tree: Json }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3 },
      text,
      fc.constant(null),
      text.filter((value) => value !== '').map((value) => ({ '@id': value, '#text': value })),
      members(tie('tree')),
    ),
  })).tree
  const body = fc.tuple(members(tree), fc.array(text), fc.array(tree)).map(([plain, item, deep]) => ({
    ...(plain as Record<string, Json>), // an object by `members`
    item,
    deep: { item: deep },
  }))

  test('is exact from a backend through a channel and back, in every charset', async () => {
    await fc.assert(
      fc.asyncProperty(body, charset, async (data, label) => {
        // Element names have no references to fall back to: only Unicode carries them all.
        if (JSON.stringify(data).includes('订单号') && encodeExtended('订单号', label) === undefined) return
        await using both = await loop({ dialect: 'pox', charset: label, lists }, { config: { lists } })
        const answer = await both.call(operation, data)
        expect(dataOf(both.running)).toEqual(data)
        expect(answer).toEqual({ data })
        expect(both.answered().headers?.['content-type']).toBe(`text/xml; charset=${label}`)
      }),
      { numRuns: 300 },
    )
  })

  test('keeps the order of mixed content, CDATA and references', async () => {
    await using both = await loop({ dialect: 'pox' })
    const response = await both.running.post(
      '<Echo>one <b>two</b> three <![CDATA[<&>]]> &#x4e2d;&amp;#65; <b>four</b></Echo>',
    )
    expect(dataOf(both.running)).toEqual({
      '#mixed': ['one ', { b: 'two' }, ' three <&> 中&#65; ', { b: 'four' }],
    })
    expect(new TextDecoder().decode(response.body as Uint8Array)).toContain(
      'one <b>two</b> three &lt;&amp;&gt; 中&amp;#65; <b>four</b>',
    )
  })
})

describe.each(['asmx-get', 'asmx-post'] as const)('%s', (dialect) => {
  const field = fc.constantFrom('a', 'orderNo', '名', 'constructor', 'x y', 'a.b')
  const fields = fc
    .uniqueArray(fc.tuple(field, text), { minLength: 1, maxLength: 5, selector: ([key]) => key })
    .map((entries) => Object.fromEntries(entries))

  test('is exact from a backend to a channel, in every charset that has the characters', async () => {
    await fc.assert(
      fc.asyncProperty(fields, fc.constantFrom('utf-8', 'gb18030', 'gbk', 'big5'), async (data, label) => {
        await using both = await loop(
          { dialect, charset: label },
          { config: { charset: label }, reply: () => ({ data: 'done' }) },
        )
        const all = Object.entries(data).flat().join('')
        const answer = both.call(operation, data)
        if (encodeExtended(all, label) === undefined)
          await expect(answer).rejects.toMatchObject({ code: 'DECODE_FAILED', notExecuted: true })
        else {
          await answer
          expect(dataOf(both.running)).toEqual(data)
        }
      }),
      { numRuns: 200 },
    )
  })

  test('is exact back, for texts, structures and lists of texts', async () => {
    const listed = ['ArrayOfString/string']
    const result = fc.oneof(text, members(text), fc.array(text, { minLength: 1 }))
    await fc.assert(
      fc.asyncProperty(result, charset, async (data, label) => {
        if (JSON.stringify(data).includes('订单号') && encodeExtended('订单号', label) === undefined) return
        await using both = await loop(
          { dialect, charset: label, lists: listed },
          { config: { charset: label }, reply: () => ({ data }) },
        )
        const answer = await both.call(operation, {})
        expect(answer).toEqual({ data: Array.isArray(data) ? { string: data } : data })
      }),
      { numRuns: 200 },
    )
  })
})

describe('XML-RPC', () => {
  const number = fc.oneof(
    fc.integer(),
    fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER }),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => !Object.is(value, -0)),
  )
  const value: fc.Arbitrary<Json> = fc.letrec<{ value: Json }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      text,
      number,
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(fc.oneof(name, text), tie('value'), { maxKeys: 4 }),
    ),
  })).value

  /** Integers beyond 32 bits come as the texts of i8, numbers of any size as doubles come as numbers. */
  function arrived(sent: Json): Json {
    if (typeof sent === 'number')
      return Number.isSafeInteger(sent) && (sent < -2147483648 || sent > 2147483647) ? String(sent) : sent
    if (Array.isArray(sent)) return sent.map(arrived)
    if (typeof sent !== 'object' || sent === null) return sent
    return Object.fromEntries(Object.entries(sent).map(([key, member]) => [key, arrived(member)]))
  }

  /** One struct alone is the data itself, however it was given. */
  function asRead(data: Json): Json {
    const list = (data as { readonly params?: Json }).params // objects, by the generators
    if (!Array.isArray(list) || Object.keys(data as object).length !== 1 || list.length !== 1) return data
    const only: Json = (list as readonly Json[])[0] ?? null
    const isStruct = typeof only === 'object' && only !== null && !Array.isArray(only)
    return isStruct && !isPositional(only) ? only : data
  }

  function isPositional(struct: object): boolean {
    return Object.keys(struct).join() === 'params' && Array.isArray((struct as { params?: unknown }).params)
  }

  test('is exact from a backend through a channel and back, in every charset', async () => {
    const params = fc.oneof(
      fc.array(value, { maxLength: 4 }).map((list): Json => ({ params: list })),
      fc.dictionary(fc.oneof(name, text), value, { maxKeys: 4 }).map((struct): Json => struct),
    )
    await fc.assert(
      fc.asyncProperty(params, charset, async (data, label) => {
        await using both = await loop({ dialect: 'xmlrpc', charset: label })
        const answer = await both.call('echo', data)
        expect(dataOf(both.running)).toEqual(arrived(asRead(data)))
        expect(answer.data).toEqual(arrived(asRead(data)))
        expect(answer.fault).toBeUndefined()
      }),
      { numRuns: 300 },
    )
  })

  test('with named parameters is exact too', async () => {
    const names = ['first', 'second', 'third']
    const params = fc
      .array(value, { maxLength: 3 })
      .map((list) => Object.fromEntries(list.map((one, at) => [names[at] ?? '', one])))
    await fc.assert(
      fc.asyncProperty(params, async (data) => {
        await using both = await loop(
          { dialect: 'xmlrpc', operations: { echo: { parameters: names } } },
          { config: { parameters: { echo: names } } },
        )
        await both.call('echo', data)
        expect(dataOf(both.running)).toEqual(arrived(data))
      }),
      { numRuns: 100 },
    )
  })
})
