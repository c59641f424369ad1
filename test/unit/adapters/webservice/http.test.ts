import { expect, test } from 'vitest'
import { mediaType } from '../../../../adapters/webservice/http.ts'

test.each([
  ['text/xml; charset=gbk, text/xml', { type: 'text/xml', charset: 'gbk' }],
  ['text/xml, text/xml; charset=gbk', { type: 'text/xml' }],
  ['Text/XML; x="a,b"; charset="gbk"', { type: 'text/xml', charset: 'gbk' }],
  ['text/xml; x="\\", text/plain; charset=big5;"; charset=gbk', { type: 'text/xml', charset: 'gbk' }],
  ['text/xml; x=a,b; charset=gbk', { type: 'text/xml', charset: 'gbk' }],
])('of the Content-Type %s the first line counts (RFC 9110 §8.3)', (header, read) => {
  expect(mediaType(header)).toEqual(read)
})
