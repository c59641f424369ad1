// In which bytes a body goes out: those that its content type names.
import type { Json } from 'dragoman'
import { testMessage } from 'dragoman/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'

import { backendConfig } from '../../../../adapters/rest/backend-config.ts'
import { compileRequest } from '../../../../adapters/rest/outbound.ts'
import { decodeText } from '../../../../adapters/xml/charset.ts'

/** The body of one call; `body` and `type` are expressions of the config. */
async function sent(params: Json, type: string, body?: string): Promise<string | Uint8Array | undefined> {
  const config = backendConfig.parse({
    url: 'http://erp.example.com',
    operations: { Put: { headers: { 'Content-Type': type }, ...(body !== undefined && { body }) } },
  })
  const [operation] = Object.values(config.operations)
  if (operation === undefined) throw new TypeError('the config has one operation')
  const call = { operation: 'Put', params, message: testMessage(), key: 'key-1', attempt: 1 }
  return (await compileRequest(config, operation)(call)).body
}

const hex = (body: string | Uint8Array | undefined): string => Buffer.from(body ?? '').toString('hex')

test.each([
  ["'application/x-www-form-urlencoded; charset=gbk'", '王', 'cdf5'],
  [`'text/plain; charset="GB18030"'`, '王€', 'cdf5a2e3'],
  ["'text/plain; charset=iso-8859-1'", 'Käse', '4be47365'],
  ["'text/plain; charset=utf-16'", '王', 'fffe8b73'], // RFC 2781 §4.1: what has no byte order in its name begins with a mark
  ["'text/plain; charset=utf-16be'", '王', '738b'],
  ["'text/plain; charset=utf-8'", '王', 'e78e8b'],
  ["'text/plain'", '王', 'e78e8b'],
  ["'text/plain; charset=' & cs", '王', 'cdf5'],
])('a text goes out in the charset that %s names: %s', async (type, text, bytes) => {
  expect(hex(await sent({ text, cs: 'gbk' }, type, 'text'))).toBe(bytes)
})

test.each([
  ["'application/json; charset=gbk'", { no: '王' }, '7b226e6f223a22cdf5227d'],
  ["'application/json; charset=utf-8'", { no: '王' }, '7b226e6f223a22e78e8b227d'],
])('JSON goes out in the charset that %s names', async (type, params, bytes) => {
  expect(hex(await sent(params, type))).toBe(bytes)
})

test.each(['gbk', 'us-ascii', 'iso-8859-1', 'shift_jis', 'utf-16le'])(
  'JSON in %s loses no character: what the charset lacks is escaped (RFC 8259 §7)',
  async (charset) => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (value) => {
        const params = JSON.parse(JSON.stringify(value)) as Json // a JSON value
        const body = await sent(params, `'application/json; charset=${charset}'`)
        expect(JSON.parse(decodeText(Buffer.from(body ?? ''), charset))).toStrictEqual(params)
      }),
    )
    const all = await sent('ä王😀\\', `'application/json; charset=${charset}'`)
    expect(JSON.parse(decodeText(Buffer.from(all ?? ''), charset))).toBe('ä王😀\\')
  },
)

test.each([
  ["'text/plain; charset=iso-8859-1'", '王', 'iso-8859-1'],
  ["'text/plain; charset=gbk'", '😀', 'gbk'],
  ["'text/plain'", '\ud83d', 'utf-8'],
])(
  'a character that the charset of %s lacks is refused, never replaced (DESIGN §3)',
  async (type, text, charset) => {
    await expect(sent({ text }, type, 'text')).rejects.toMatchObject({
      code: 'DECODE_FAILED',
      message: `the body holds a character that ${charset} cannot carry`,
      notExecuted: true,
    })
  },
)

test('a charset nobody knows is refused: by the config where it is a constant, else at the call', async () => {
  const operations = { Put: { headers: { 'Content-Type': "'text/plain; charset=gb-99'" } } }
  const headers = { 'content-type': "'text/csv; charset=klingon'" }
  expect(backendConfig.safeParse({ url: 'http://h', operations }).error?.message).toContain(
    'charset \\"gb-99\\" is not one this gateway writes',
  )
  expect(backendConfig.safeParse({ url: 'http://h', headers }).error?.message).toContain('klingon')
  await expect(sent({ cs: 'klingon' }, "'text/plain; charset=' & cs", "'a'")).rejects.toMatchObject({
    code: 'ENCODE_FAILED',
    message: 'charset "klingon" is not one this gateway writes',
    notExecuted: true,
  })
})
