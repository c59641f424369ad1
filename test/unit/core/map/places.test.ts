// The values of an outbound message by their places.
import { expect, test } from 'vitest'
import { bodyText } from '../../../../core/map/body-text.ts'
import { placesOf } from '../../../../core/map/places.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const noXml = () => {
  throw new Error('no XML here')
}
const table = (message: Parameters<typeof placesOf>[0]) =>
  Object.fromEntries(placesOf(message, noXml).map(({ path, text }) => [path, text]))

test('path segments, query, headers and JSON values stand with their own text; framing headers do not', () => {
  const headers = { 'content-type': 'application/json', 'content-length': '9', host: 'h', 'x-id': '7' }
  expect(table({ url: 'http://h/a%2Fb/c?q=1&q=%E4%B8%AD', headers, body: bytes('{"a":1.10}') })).toEqual({
    host: 'h',
    'path segment 1': 'a/b',
    'path segment 2': 'c',
    'query q': '1',
    'query q[2]': '中',
    'header content-type': 'application/json',
    'header x-id': '7',
    'body a': '1.10',
  })
})

test('fields that are not UTF-8 are read in the charset of their backend', () => {
  const url = 'http://h/%D6%D0?q=%D6%D0+1&r=%E4%B8%AD'
  const read = { 'path segment 1': '中', 'query q': '中 1', 'query r': '中' }
  expect(table({ url, charset: 'gbk', headers: {}, body: bytes('') })).toMatchObject(read)
  expect(table({ url, headers: {}, body: bytes('') })).toMatchObject({ 'query q': 'ÖÐ 1', 'query r': '中' })
})

test('a form has its fields; a body that is not what its type says is one text', () => {
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  expect(table({ headers: form, body: bytes('a=1+2&b=') })).toMatchObject({ 'body a': '1 2', 'body b': '' })
  expect(table({ headers: { 'content-type': 'application/json' }, body: bytes('no') })).toMatchObject({
    body: 'no',
  })
  expect(table({ headers: { 'content-type': 'text/xml' }, body: bytes('<a') })).toMatchObject({ body: '<a' })
})

test('a body is read in the charset that its type states, else in UTF-8; one of unknown bytes stays comparable', () => {
  const gbk = Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xd6, 0xd0, 0x22, 0x7d])
  const of = (type: string, body: Uint8Array) => table({ headers: { 'content-type': type }, body })
  expect(of('application/json; charset=gbk', gbk)).toMatchObject({ 'body a': '中' })
  expect(of('text/plain; charset=GBK', gbk)).toMatchObject({ body: '{"a":"中"}' })
  expect(of('application/json', bytes('{"a":"中"}'))).toMatchObject({ 'body a': '中' })
  expect(of('application/pdf', bytes('%PDF 1'))).toMatchObject({ body: '%PDF 1' })
})

test('a body is shown in its own charset, and binary ones by their size', () => {
  const gbk = new Uint8Array([0xd6, 0xd0])
  expect(bodyText(gbk, 'text/plain; charset=gbk')).toBe('中')
  const declared = Buffer.concat([Buffer.from('<?xml version="1.0" encoding="gb18030"?><a>'), gbk])
  expect(bodyText(declared, 'text/xml')).toMatch(/<a>中$/)
  expect(bodyText(gbk, 'image/png')).toBe('(2 bytes of image/png)')
  expect(bodyText(bytes('a'), 'text/plain; charset=nonsense')).toBe('a')
})
