import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { decodeContent, mediaType, soapAction } from '../../../../adapters/soap/content.ts'

const text = new TextEncoder().encode('<a>hello</a>')

describe('a Content-Type', () => {
  test('is read whatever its case, with quoted parameters and without (RFC 9110 §8.3.1)', () => {
    const { type, parameters } = mediaType('Application/SOAP+XML ; Charset="GBK";action="urn:a;b\\"c"')
    expect(type).toBe('application/soap+xml')
    expect([...parameters]).toEqual([
      ['charset', 'GBK'],
      ['action', 'urn:a;b"c'],
    ])
  })

  test('that is missing is empty, and hostile ones end', () => {
    expect(mediaType(undefined)).toEqual({ type: '', parameters: new Map() })
    expect(mediaType(`${'"'.repeat(20_000)};charset=x`).type).toHaveLength(20_000)
  })
})

test.each([
  ['"urn:a#b"', 'urn:a#b'],
  ['urn:a#b', 'urn:a#b'],
  ['""', undefined],
  ['', undefined],
  [undefined, undefined],
])('SOAPAction %s means %s, quoted or not (WS-I BP 1.1 R1109)', (header, action) => {
  expect(soapAction(header)).toBe(action)
})

describe('a content coding', () => {
  test.each([
    ['gzip', gzipSync(text)],
    ['GZIP', gzipSync(text)],
    ['deflate', deflateSync(text)],
    ['deflate', deflateRawSync(text)],
    ['identity', text],
    ['deflate, gzip', gzipSync(deflateSync(text))],
  ])('%s is undone', async (coding, body) => {
    expect(Buffer.from(await decodeContent(body, coding, 1000)).toString()).toBe('<a>hello</a>')
  })

  test.each(['zstd', 'compress', 'gzip, x'])('%s is refused as a media type nobody reads', async (coding) => {
    await expect(decodeContent(text, coding, 1000)).rejects.toMatchObject({
      code: 'UNSUPPORTED_MEDIA',
      status: 415,
    })
  })

  test('that is broken is 400 and harms nothing', async () => {
    const broken = gzipSync(Buffer.alloc(5000, 'x'))
    broken[20] = 0xff
    await expect(decodeContent(broken, 'gzip', 10_000)).rejects.toMatchObject({
      code: 'DECODE_FAILED',
      status: 400,
    })
    await expect(decodeContent(text, 'gzip', 10_000)).rejects.toMatchObject({ status: 400 })
    await expect(decodeContent(gzipSync(text).subarray(0, 15), 'gzip', 10_000)).rejects.toMatchObject({
      status: 400,
    })
  })

  test('of more than the limit is refused without being unpacked whole', async () => {
    const bomb = gzipSync(Buffer.alloc(50 * 1024 * 1024))
    const before = process.memoryUsage().arrayBuffers
    await expect(decodeContent(bomb, 'gzip', 1024 * 1024)).rejects.toMatchObject({
      code: 'TOO_LARGE',
      status: 413,
    })
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10 * 1024 * 1024)
  })

  test('none: the limit holds as well', async () => {
    await expect(decodeContent(Buffer.alloc(11), undefined, 10)).rejects.toMatchObject({ code: 'TOO_LARGE' })
  })
})
