import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { docnumOf, idocXml, idocsIn } from '../../../../plugins/_examples/sap-rfc/idoc.ts'
import {
  answerIn,
  answerXml,
  callXml,
  contentOf,
  returnFault,
} from '../../../../plugins/_examples/sap-rfc/rfc.ts'
import { membersIn, membersOut } from '../../../../plugins/_examples/sap-rfc/values.ts'
import type { Members, Shape } from '../../../../plugins/_examples/sap-rfc/values.ts'
import { readXml } from '../../../../plugins/_examples/sap-rfc/xml.ts'
import type { Element } from '../../../../plugins/_examples/sap-rfc/xml.ts'
import { fault, orders05 } from './samples.ts'

const read = (text: string): Element => readXml(Buffer.from(text))
const shape = (more: Partial<Shape> = {}): Shape => ({
  types: {},
  tables: [],
  style: { dates: 'dashed', minus: 'before' },
  ...more,
})
const inside = (text: string, more: Partial<Shape> = {}): Members =>
  membersIn(read(`<R>${text}</R>`), shape(more))

describe('parameters', () => {
  test('a table is rows called item, also one row, also tables in rows; an empty one by the config', () => {
    const text = '<A><item><B>1</B><C><item><D>000777</D></item></C></item></A><E><item>x</item></E><F/><G/>'
    expect(inside(text, { tables: ['F', 'A.C'] })).toEqual({
      A: [{ B: '1', C: [{ D: '000777' }] }],
      E: ['x'],
      F: [],
      G: '',
    })
    expect(inside('<A><item><C/></item></A>', { tables: ['A.C'] })).toEqual({ A: [{ C: [] }] })
  })

  test('types by name and by path: the longer path wins', () => {
    const types = { DATE: 'date', 'HEAD.DATE': 'text' } as const
    expect(
      inside(
        '<DATE>00000000</DATE><HEAD><DATE>00000000</DATE></HEAD><T><item><DATE>20240229</DATE></item></T>',
        { types },
      ),
    ).toEqual({
      DATE: null,
      HEAD: { DATE: '00000000' },
      T: [{ DATE: '2024-02-29' }],
    })
  })

  test('names of a namespace are written as SAP writes them', () => {
    const xml = membersOut({ '/ABC/FIELD': '1' }, shape())
    expect(xml).toBe('<_-ABC_-FIELD>1</_-ABC_-FIELD>')
    expect(inside(xml)).toEqual({ '/ABC/FIELD': '1' })
  })

  test('__proto__ and constructor are names like any other, and pollute nothing', () => {
    const members = inside('<__proto__><x>1</x></__proto__><constructor>2</constructor>')
    expect(Object.keys(members)).toEqual(['__proto__', 'constructor'])
    expect(({} as { x?: unknown }).x).toBeUndefined()
    expect(membersOut(members, shape())).toBe('<__proto__><x>1</x></__proto__><constructor>2</constructor>')
  })

  test.each([
    ['<A>1</A><A>2</A>', /A is there twice/],
    ['<A>x<item/></A>', /A has text beside its elements/],
    ['<A><item/><B/></A>', /A has other elements beside its rows/],
  ])('%s is refused', (text, why) => {
    expect(() => inside(text)).toThrow(why)
  })

  test.each<[Members, RegExp]>([
    [{ 'a b': '1' }, /"a b" is no name of SAP's/],
    [{ 'A><B': '1' }, /is no name/],
    [{ A: '\u0000' }, /A: a text holds U\+0000/],
    [{ A: { B: '\ud800' } }, /A\.B: a text holds U\+D800/],
    [{ A: [['x']] }, /A: a row is a list/],
  ])('%j cannot be written', (members, why) => {
    expect(() => membersOut(members, shape())).toThrow(why)
  })

  test('what is nested without end is refused, both ways', () => {
    expect(() => inside('<A>'.repeat(100) + '</A>'.repeat(100))).toThrow(/deeper than 64/)
    let deep: Members = {}
    for (let turn = 0; turn < 100; turn += 1) deep = { A: deep }
    expect(() => membersOut(deep, shape())).toThrow(/deeper than 32/)
  })

  test('what is written is read as the same data', () => {
    const name = fc.stringMatching(/^[A-Z][A-Z0-9_]{0,8}$/)
    const text = fc
      .string({ unit: 'grapheme', maxLength: 20 })
      .map((each) => each.replace(/[\0-\x1F\uFFFE\uFFFF]|\p{Surrogate}/gu, ''))
    const structure = fc.dictionary(name, text, { minKeys: 1, maxKeys: 4 })
    const table = fc.array(structure, { minLength: 1, maxLength: 3 })
    const members = fc.dictionary(name, fc.oneof(text, structure, table), { maxKeys: 5 })
    fc.assert(
      fc.property(members, (data) => {
        const xml = callXml('Z_F', data, shape())
        const content = contentOf(read(xml))
        expect(content.kind === 'function' && membersIn(content.element, shape())).toEqual({ ...data })
      }),
    )
  })
})

describe('calls and answers', () => {
  test('a call has the form SAP takes, with all its TABLES, or SAP would not answer them', () => {
    const xml = callXml(
      'BAPI_X',
      { VBELN: '7', T: [{ A: '<&>' }] },
      shape({ types: { VBELN: { alpha: 10, strip: false } }, tables: ['T', 'RETURN', 'T.U'] }),
    )
    expect(xml).toBe(
      '<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body>' +
        '<rfc:BAPI_X xmlns:rfc="urn:sap-com:document:sap:rfc:functions"><VBELN>0000000007</VBELN><T><item><A>&lt;&amp;&gt;</A></item></T><RETURN/></rfc:BAPI_X>' +
        '</SOAP-ENV:Body></SOAP-ENV:Envelope>',
    )
  })

  test.each(['BAPI_X.Response', 'BAPI_XResponse'])('%s answers BAPI_X', (name) => {
    const content = contentOf(
      read(answerXml('BAPI_X', { A: '1' }, shape()).replaceAll('BAPI_X.Response', name)),
    )
    expect(content.kind === 'function' && answerIn('BAPI_X', content, shape())).toEqual({ A: '1' })
    expect(() => content.kind === 'function' && answerIn('BAPI_Y', content, shape())).toThrow(
      /it answers BAPI_X/,
    )
  })

  test('a fault of the runtime: its text, type and message; an exception of the function: its name, text and number', () => {
    const denied = fault(
      '<rfc:Error xmlns:rfc="urn:sap-com:document:sap:soap:functions"><type>ERROR_MESSAGE_STATE</type><message>not permitted</message></rfc:Error>',
      'Internal Server Error',
    )
    expect(contentOf(read(denied))).toEqual({
      kind: 'fault',
      words: ['Internal Server Error', 'ERROR_MESSAGE_STATE'],
      message: 'not permitted',
    })
    const own = fault(
      '<n0:Z_F.Exception xmlns:n0="urn:sap-com:document:sap:rfc:functions"><Name>NOT_FOUND</Name><Text>no order</Text><Message><ID>V1</ID><Number>302</Number></Message></n0:Z_F.Exception>',
      'NOT_FOUND',
    )
    expect(contentOf(read(own))).toMatchObject({
      exception: { code: 'NOT_FOUND', message: 'no order', detail: { ID: 'V1', NUMBER: '302' } },
    })
    expect(contentOf(read(fault('', 'RFC_AUTHORIZATION_FAILURE')))).toMatchObject({
      words: ['RFC_AUTHORIZATION_FAILURE'],
    })
  })

  test.each([
    ['<Envelope/>', /not of SOAP 1.1/],
    [
      '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body/></e:Envelope>',
      /not of SOAP 1.1/,
    ],
    ['<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body/></e:Envelope>', /one element/],
    [
      '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><F/><G/></e:Body></e:Envelope>',
      /one element/,
    ],
    [
      '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><F xmlns="urn:other"/></e:Body></e:Envelope>',
      /not of the namespace/,
    ],
  ])('%s is refused', (text, why) => {
    expect(() => contentOf(read(text))).toThrow(why)
  })

  test.each<[Members, string | undefined]>([
    [{ RETURN: [] }, undefined],
    [{ RETURN: [{ TYPE: 'S' }, { TYPE: 'W' }, { TYPE: 'I' }] }, undefined],
    [{ RETURN: { TYPE: '', ID: '', NUMBER: '000', MESSAGE: '' } }, undefined],
    [{ RETURN: [{ TYPE: 'S' }, { TYPE: 'E', ID: 'V1', NUMBER: '302', MESSAGE: 'no order' }] }, 'V1302'],
    [{ RETURN: { TYPE: 'A', CODE: 'V1302', MESSAGE: 'no order' } }, 'V1302'],
    [{ RETURN: { TYPE: 'E' } }, 'E'],
    [{ OTHER: { TYPE: 'E' } }, undefined],
  ])('RETURN %j is the fault %s', (members, code) => {
    expect(returnFault(members, 'RETURN')?.code).toBe(code)
  })
})

describe('XML', () => {
  test.each([
    ['<a', /no well-formed XML/],
    ['', /no well-formed XML|empty/],
    ['<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', /DOCTYPE/],
    ['<a>&b;</a>', /no well-formed XML/],
    ['<a></b>', /no well-formed XML/],
    [`<${'a'.repeat(200)}/>`, /longer than 128/],
    [`<a>${'<b/>'.repeat(200_001)}</a>`, /more than 200000 elements/],
  ])('%.30s is refused', (text, why) => {
    expect(() => read(text)).toThrow(why)
  })

  test('charsets: the header, a byte order mark, the declaration; a lie is refused', () => {
    expect(
      readXml(Buffer.from('<?xml version="1.0" encoding="ISO-8859-1"?><a>\xfc</a>', 'latin1')).text,
    ).toBe('ü')
    expect(readXml(Buffer.from('\ufeff<a>ü</a>', 'utf16le')).text).toBe('ü')
    expect(readXml(Buffer.from('<a>\xfc</a>', 'latin1'), 'iso-8859-1').text).toBe('ü')
    expect(() => readXml(Buffer.from('<a>\xfc</a>', 'latin1'))).toThrow(/no utf-8/)
    expect(() => readXml(Buffer.from('<a/>'), 'klingon')).toThrow(/no klingon/)
  })
})

test('documents with any piece cut out, doubled or replaced are read or refused by a RangeError, both calls and IDocs', () => {
  const samples = [
    orders05('1'),
    callXml('Z_F', { A: 'x', T: [{ B: '1' }, { B: '&' }] }, shape()),
    fault('<e><type>X</type><message>y</message></e>', 'Z'),
  ].map((text) => Buffer.from(text))
  const pieces = [
    '',
    '<',
    '>',
    '&',
    '</item>',
    '<item>',
    ']]>',
    '<![CDATA[',
    '<!--',
    'xmlns=""',
    '\u0000',
    '&#0;',
    '"',
    'DOCTYPE',
  ]
  fc.assert(
    fc.property(
      fc.constantFrom(...samples),
      fc.nat(),
      fc.nat({ max: 40 }),
      fc.oneof(
        fc.constantFrom(...pieces).map((piece) => Buffer.from(piece)),
        fc.uint8Array({ maxLength: 8 }),
      ),
      (sample, place, length, piece) => {
        const at = place % sample.byteLength
        const bytes = Buffer.concat([sample.subarray(0, at), piece, sample.subarray(at + length)])
        try {
          const root = readXml(bytes)
          if (root.name !== 'Envelope') return void idocsIn(root, { MENGE: 'decimal', DATUM: 'date' })
          const content = contentOf(root)
          if (content.kind === 'function')
            membersIn(content.element, shape({ types: { A: 'decimal' }, tables: ['T'] }))
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError)
        }
      },
    ),
    { numRuns: 1000 },
  )
})

describe('IDocs', () => {
  test('segments are lists, fields texts, and the number the id, with its client', () => {
    const [idoc, ...rest] = idocsIn(read(orders05('0000000000123456')), { DATUM: 'date', MENGE: 'decimal' })
    expect(rest).toEqual([])
    expect(idoc).toMatchObject({
      type: 'ORDERS05',
      id: '800/0000000000123456',
      data: {
        EDI_DC40: { DOCNUM: '0000000000123456', MESTYP: 'ORDERS' },
        E1EDK01: [{ CURCY: 'EUR', BELNR: '4500001234' }],
        E1EDK03: [
          { IDDAT: '012', DATUM: '2024-02-29' },
          { IDDAT: '002', DATUM: null },
        ],
        E1EDP01: [
          {
            POSEX: '000010',
            MENGE: '10.000',
            E1EDP20: [{ WMENG: '4.000' }, { WMENG: '6.000' }],
            E1EDP19: [{ QUALF: '001', IDTNR: '000000000000000042' }],
          },
          { POSEX: '000020', MENGE: '-5.000', E1EDP19: [{ QUALF: '001', IDTNR: 'MAT-<2>' }] },
        ],
      },
    })
  })

  test.each([
    ['<ORDERS05/>', /is no IDoc/],
    ['<html><body/></html>', /html is no IDoc/],
    [
      '<ORDERS05><IDOC><EDI_DC40 SEGMENT="1"><MESTYP>ORDERS</MESTYP></EDI_DC40></IDOC></ORDERS05>',
      /IDoc 1 has no DOCNUM/,
    ],
    ['<ORDERS05><IDOC><EDI_DC40 SEGMENT="1"><DOCNUM><x/></DOCNUM></EDI_DC40></IDOC></ORDERS05>', /no DOCNUM/],
    [
      '<O><IDOC><EDI_DC40 SEGMENT="1"><DOCNUM>1</DOCNUM></EDI_DC40><E1 SEGMENT="1"><A/><A/></E1></IDOC></O>',
      /A is there twice/,
    ],
    ['<O><IDOC><EDI_DC40/><EDI_DC40/></IDOC></O>', /EDI_DC40 is there twice/],
    ['<O><IDOC><E1 SEGMENT="1">x<A/></E1></IDOC></O>', /E1 has text beside/],
    [`<O>${'<IDOC/>'.repeat(1001)}</O>`, /more than 1000 IDocs/],
  ])('%.60s is refused', (text, why) => {
    expect(() => idocsIn(read(text), {})).toThrow(why)
  })

  test('what is written is read as the same data, with its control record in order', () => {
    const types = { DATUM: 'date', MENGE: 'decimal' } as const
    const [first] = idocsIn(read(orders05('1')), types)
    const { EDI_DC40: control, ...segments } = first?.data ?? {}
    const xml = idocXml('ORDERS05', control as Record<string, string>, segments, types) // its fields are texts
    expect(idocsIn(read(xml), types)).toEqual([first])
    expect(xml).toContain('<MENGE>5.000-</MENGE>')
    expect(xml).toContain('<DATUM>00000000</DATUM>')
    expect(xml).toMatch(/<EDI_DC40 SEGMENT="1"><TABNAM>.*<MANDT>.*<DOCNUM>.*<MESTYP>.*<SNDPRN>/)
  })

  test.each<[Members, RegExp]>([
    [{ E1: [['x']] }, /E1: a list holds segments/],
    [{ E1: 'x' }, /E1 stands outside of every segment/],
    [{ E1: { A: '\u0001' } }, /A: a text holds U\+0001/],
    [{ 'E 1': {} }, /no name/],
  ])('%j is no IDoc', (segments, why) => {
    expect(() => idocXml('ORDERS05', {}, segments, {})).toThrow(why)
  })

  test('the number made for a call is the same for the same key', () => {
    expect(docnumOf('a')).toBe(docnumOf('a'))
    expect(docnumOf('a')).toMatch(/^\d{16}$/)
    expect(docnumOf('a')).not.toBe(docnumOf('b'))
    expect(() => idocXml('ORDERS05', { DOCNO: '1' }, {}, {})).toThrow(/EDI_DC40 has no field DOCNO/)
  })
})
