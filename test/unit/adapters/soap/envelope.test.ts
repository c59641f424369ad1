import { describe, expect, test } from 'vitest'
import { blockCodec } from '../../../../adapters/soap/blocks.ts'
import {
  contentType,
  makeEnvelope,
  packEnvelope,
  readEnvelope,
  requestEntry,
} from '../../../../adapters/soap/envelope.ts'
import { SoapProblem } from '../../../../adapters/soap/faults.ts'
import {
  checkUnderstood,
  headersToMetadata,
  metadataToHeaders,
  withTrace,
} from '../../../../adapters/soap/headers.ts'
import { readXmlText } from '../../../../adapters/xml/read.ts'
import { compileSchemas } from '../../../../adapters/xml/schema.ts'
import { element } from '../../../../adapters/xml/tree.ts'
import { envelope, soap11, soap12 } from './service.ts'

/** A block that is declared, without a schema. */
const untyped = (uri: string, local: string) =>
  blockCodec(compileSchemas([]), { name: { uri, local }, use: 'literal' }, '1.1')
const read = (text: string) => readEnvelope(readXmlText(text))

function thrown(action: () => unknown): unknown {
  try {
    return action()
  } catch (error) {
    return error
  }
}

describe('the version of an envelope', () => {
  test('is its namespace, whatever HTTP says (SOAP 1.2 Part 1 §5.4.7)', () => {
    expect(read(envelope('<a/>')).version).toBe('1.1')
    expect(read(envelope('<a/>', { uri: soap12 })).version).toBe('1.2')
  })

  test.each([
    envelope('<a/>', { uri: 'urn:nope' }),
    '<Envelope><Body/></Envelope>',
    '<hello/>',
    `<s:Body xmlns:s="${soap11}"/>`,
  ])('that is none we know is a VersionMismatch with an Upgrade block: %s (SOAP 1.1 §4.4.1)', (text) => {
    const problem = thrown(() => read(text))
    expect(problem).toBeInstanceOf(SoapProblem)
    expect(problem).toMatchObject({ code: 'VersionMismatch', headers: [{ local: 'Upgrade' }] })
  })
})

describe('an envelope is refused with', () => {
  test.each([
    ['two children in the Body (WS-I BP 1.1 R9981)', envelope('<x xmlns="urn:a"/><y xmlns="urn:a"/>')],
    ['text in the Body', envelope('hello')],
    ['no Body (R9980)', `<s:Envelope xmlns:s="${soap11}"/>`],
    ['an element after the Body (R1011)', `<s:Envelope xmlns:s="${soap11}"><s:Body/><x/></s:Envelope>`],
    ['two Headers', `<s:Envelope xmlns:s="${soap11}"><s:Header/><s:Header/><s:Body/></s:Envelope>`],
    ['a Body of another version', `<s:Envelope xmlns:s="${soap11}"><Body xmlns="${soap12}"/></s:Envelope>`],
    ['a Fault as a request', envelope('<s:Fault><faultcode>s:Server</faultcode></s:Fault>')],
    ['only independent elements', envelope('<m id="1"/><m id="2"/>')],
  ])('%s', (_why, text) => {
    expect(() => requestEntry(read(text))).toThrow(expect.objectContaining({ code: 'DECODE_FAILED' }))
  })
})

test('independent elements of SOAP encoding may stand beside the call (SOAP 1.1 §5.1, §5.6)', () => {
  const encoding = 'xmlns:e="http://schemas.xmlsoap.org/soap/encoding/"'
  const axis = envelope('<op xmlns="urn:a"><p href="#i"/></op><multiRef id="i">x</multiRef>')
  expect(requestEntry(read(axis))?.local).toBe('op')
  const rooted = envelope(
    `<multiRef ${encoding} e:root="0" id="i">x</multiRef><op xmlns="urn:a" ${encoding} e:root="1"/>`,
  )
  expect(requestEntry(read(rooted))?.local).toBe('op')
})

describe('a block that must be understood', () => {
  const block = (attributes: string, uri = soap11) =>
    read(envelope('<a/>', { uri, header: `<x:Tx xmlns:x="urn:x" ${attributes}/>` }))
  const nothing = () => false

  test.each([
    block('s:mustUnderstand="1"'),
    block('s:mustUnderstand=" true "', soap12),
    block('s:mustUnderstand="1" s:actor=""'),
  ])('and is not is a MustUnderstand fault that names it (SOAP 1.1 §4.2.3, 1.2 Part 1 §5.4.8)', (given) => {
    expect(thrown(() => checkUnderstood(given, nothing))).toMatchObject({
      code: 'MustUnderstand',
      message: expect.stringContaining('{urn:x}Tx'),
      headers: [{ local: 'NotUnderstood' }],
    })
  })

  test.each([
    block(''),
    block('s:mustUnderstand="0"'),
    block('s:mustUnderstand="1" s:actor="urn:someone-else"'),
    block('s:mustUnderstand="true" s:role="http://www.w3.org/2003/05/soap-envelope/role/none"', soap12),
    block('mustUnderstand="1"'),
  ])(
    'is not one without the attribute, or for another actor or role (SOAP 1.1 §4.2.2, 1.2 Part 1 §2.2)',
    (given) => {
      expect(() => checkUnderstood(given, nothing)).not.toThrow()
    },
  )

  test('with a value that is no boolean is refused', () => {
    expect(() => checkUnderstood(block('s:mustUnderstand="yes"'), nothing)).toThrow(/yes/u)
  })
})

describe('what is written', () => {
  test('has its own Content-Type (SSBP R9703, RFC 3902)', () => {
    expect(contentType('1.1')).toBe('text/xml; charset=utf-8')
    expect(contentType('1.2', 'gbk', 'urn:"a')).toBe('application/soap+xml; charset=gbk; action="urn:\\"a"')
  })

  test('is read again as the same envelope', () => {
    const body = element('urn:a', 'op', [], ['<&]]>'])
    const { bytes } = packEnvelope(makeEnvelope({ version: '1.2', headers: [element('urn:h', 'H')], body }), {
      version: '1.2',
    })
    const again = read(new TextDecoder().decode(bytes))
    expect(again.version).toBe('1.2')
    expect(again.headers.map(({ local }) => local)).toEqual(['H'])
    expect(requestEntry(again)?.children).toEqual(['<&]]>'])
  })
})

describe('header blocks and metadata', () => {
  test('hostile names stay data', () => {
    const { headers } = read(
      envelope('<a/>', {
        header: '<__proto__ xmlns="urn:x">1</__proto__><constructor xmlns="urn:x">2</constructor>',
      }),
    )
    expect(Object.keys(headersToMetadata(headers, '1.1'))).toEqual(['soap:__proto__', 'soap:constructor'])
    expect(Object.keys({})).toEqual([])
  })

  test('only declared blocks go out, the others are reported', () => {
    const dropped: string[] = []
    const blocks = metadataToHeaders(
      { 'soap:Session': '{"id":"7"}', 'soap:Token': '"secret"', other: 'x' },
      { declared: [untyped('urn:s', 'Session')], dropped: (name) => dropped.push(name) },
    )
    expect(blocks.map(({ uri, local }) => [uri, local])).toEqual([['urn:s', 'Session']])
    expect(dropped).toEqual(['Token'])
  })
})

test('a trace goes out as a block where the binding declares one, and its own counts', () => {
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
  const declared = [untyped('urn:trace', 'traceparent')]
  const metadata = { 'soap:traceparent': '"of another call"' }
  const dropped = (): void => undefined
  const [block, ...others] = metadataToHeaders(withTrace(metadata, traceparent, declared), {
    declared,
    dropped,
  })
  expect([block?.uri, block?.local, block?.children]).toEqual(['urn:trace', 'traceparent', [traceparent]])
  expect(others).toEqual([])
  expect(withTrace(undefined, traceparent, [])).toBeUndefined()
})
