import { describe, expect, test } from 'vitest'
import { mediaType, soapAction } from '../../../../adapters/soap/content.ts'

describe('a Content-Type', () => {
  test('is read whatever its case, with quoted parameters and without (RFC 9110 §8.3.1)', () => {
    const { type, parameters } = mediaType('Application/SOAP+XML ; Charset="GBK";action="urn:a;b\\"c"')
    expect(type).toBe('application/soap+xml')
    expect([...parameters]).toEqual([
      ['charset', 'GBK'],
      ['action', 'urn:a;b"c'],
    ])
  })

  test('that comes twice is its first line (RFC 9110 §8.3)', () => {
    const { type, parameters } = mediaType('text/xml; charset=utf-8, text/xml')
    expect([type, parameters.get('charset')]).toEqual(['text/xml', 'utf-8'])
    expect(mediaType('text/xml, text/xml; charset=utf-8').type).toBe('text/xml')
    expect(mediaType('text/xml; action="urn:a,b/c;d, e"').parameters.get('action')).toBe('urn:a,b/c;d, e')
  })

  test('has commas in values without quotes, as old clients write them', () => {
    const { parameters } = mediaType('application/soap+xml; action=urn:a,b; charset=gbk')
    expect([...parameters]).toEqual([
      ['action', 'urn:a,b'],
      ['charset', 'gbk'],
    ])
    const related = mediaType('multipart/related; boundary=----=_Part_1,2; type="text/xml"').parameters
    expect([related.get('boundary'), related.get('type')]).toEqual(['----=_Part_1,2', 'text/xml'])
  })

  test('that is missing is empty, and hostile ones end', () => {
    expect(mediaType(undefined)).toEqual({ type: '', parameters: new Map() })
    expect(mediaType(';;=').type).toBe('=') // one that is none is not a missing one
    expect(mediaType(`${'"'.repeat(20_000)};charset=x`).type).toHaveLength(20_000)
    expect(mediaType(`a/b;c="${'\\"'.repeat(100_000)}`).type).toBe('a/b')
    expect(mediaType(`a/b${',c/d e'.repeat(100_000)}`).parameters.size).toBe(0)
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
