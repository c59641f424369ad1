import { describe, expect, test } from 'vitest'
import { errorTable, GatewayError, type ErrorCode, type Json } from 'dragoman'
import {
  faultElement,
  faultOfError,
  faultOfReply,
  faultStatus,
  readFault,
  SoapProblem,
} from '../../../../adapters/soap/faults.ts'
import { readXmlText } from '../../../../adapters/xml/read.ts'
import { writeXmlText } from '../../../../adapters/xml/write.ts'
import { soap11, soap12 } from './service.ts'

const codes = Object.keys(errorTable) as ErrorCode[] // the keys of the table are the codes
const written = (fault: Parameters<typeof faultElement>[0], version: '1.1' | '1.2'): string =>
  writeXmlText(faultElement(fault, version), {
    prefixes: new Map([
      [soap11, 's'],
      [soap12, 's'],
    ]),
  })

describe.each(codes)('%s', (code) => {
  const { side } = errorTable[code]
  const fault = faultOfError(new GatewayError(code, 'it went wrong', { cause: new Error('inside') }))

  test('is Client for the caller, Server for us, with 500 in SOAP 1.1 (§4.4.1, §6.2)', () => {
    expect(faultStatus(fault, '1.1')).toBe(500)
    expect(written(fault, '1.1')).toBe(
      `<s:Fault xmlns:s="${soap11}"><faultcode>s:${side === 'caller' ? 'Client' : 'Server'}</faultcode><faultstring>it went wrong</faultstring></s:Fault>`,
    )
  })

  test('is Sender with 400, else Receiver with 500, and its code as Subcode in SOAP 1.2 (Part 1 §5.4, Part 2 table 20)', () => {
    expect(faultStatus(fault, '1.2')).toBe(side === 'caller' ? 400 : 500)
    const text = written(fault, '1.2')
    expect(text).toContain(
      `<s:Code><s:Value>s:${side === 'caller' ? 'Sender' : 'Receiver'}</s:Value><s:Subcode><s:Value>d:${code}</s:Value></s:Subcode></s:Code>`,
    )
    expect(text).toContain('<s:Reason><s:Text xml:lang="en">it went wrong</s:Text></s:Reason>')
    expect(text).toContain('xmlns:d="urn:dragoman:soap:1"')
  })
})

test('what is no error of ours tells the caller nothing', () => {
  const fault = faultOfError(new TypeError('x is undefined at /srv/app/secret.ts:1'))
  expect(fault).toMatchObject({ code: 'server' })
  expect(written(fault, '1.1')).not.toMatch(/secret|undefined/u)
})

test('MustUnderstand and VersionMismatch keep their names and get 500 in both versions', () => {
  for (const code of ['MustUnderstand', 'VersionMismatch'] as const) {
    const fault = faultOfError(new SoapProblem(code, 'no'))
    expect([faultStatus(fault, '1.1'), faultStatus(fault, '1.2')]).toEqual([500, 500])
    expect(written(fault, '1.2')).toContain(`<s:Value>s:${code}</s:Value>`)
  }
})

describe('a business fault', () => {
  const code = (given: string, version: '1.1' | '1.2'): string =>
    written(faultOfReply({ code: given, message: 'm' }, {}), version)

  test.each([
    ['Client', 'Client', 'Sender'],
    ['Sender', 'Client', 'Sender'],
    ['Server', 'Server', 'Receiver'],
    ['Receiver', 'Server', 'Receiver'],
    ['TICKET_GONE', 'Server', 'Receiver'],
    ['Client.Ticket', 'Client', 'Sender'],
  ])('with code %s is %s in 1.1 and %s in 1.2 (DESIGN §16)', (given, first, second) => {
    expect(code(given, '1.1')).toContain(`<faultcode>s:${first}</faultcode>`)
    expect(code(given, '1.2')).toContain(`<s:Code><s:Value>s:${second}</s:Value>`)
    expect(code(given, '1.2').includes('Subcode')).toBe(/[_.]/u.test(given))
  })

  test('with a code that is no name is told by its message alone', () => {
    expect(code('404 <gone>', '1.2')).not.toContain('Subcode')
    expect(written(faultOfReply({ code: '404 <gone>', message: '' }, {}), '1.1')).toContain(
      '<faultstring>404 &lt;gone',
    )
  })
})

describe('a fault that was answered', () => {
  const read = (text: string, version: '1.1' | '1.2') => readFault(readXmlText(text), version, {})
  const wsu = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd'

  test('is its local code and its reason in 1.1, qualified or not', () => {
    for (const [open, close] of [
      ['', ''],
      ['s:', 's:'],
    ])
      expect(
        read(
          `<s:Fault xmlns:s="${soap11}"><${open}faultcode>s:Server</${close}faultcode><${open}faultstring> gone </${close}faultstring></s:Fault>`,
          '1.1',
        ),
      ).toEqual({ code: 'Server', soapCode: 'Server', message: 'gone' })
  })

  test('is its innermost subcode in 1.2', () => {
    const value = (text: string, inner = ''): string => `<s:Value>${text}</s:Value>${inner}`
    const nested = value(
      's:Sender',
      `<s:Subcode>${value('m:A', `<s:Subcode>${value('m:B')}</s:Subcode>`)}</s:Subcode>`,
    )
    expect(
      read(
        `<s:Fault xmlns:s="${soap12}"><s:Code>${nested}</s:Code><s:Reason><s:Text xml:lang="en">no</s:Text></s:Reason></s:Fault>`,
        '1.2',
      ),
    ).toEqual({ code: 'B', soapCode: 'Sender', message: 'no' })
  })

  test('with the names of 1.1 in an envelope of 1.2, as SOAP::Lite answers, is read all the same', () => {
    const inner =
      '<faultcode>s:Server.Sum</faultcode><faultstring>cannot</faultstring><detail><a>1</a></detail>'
    expect(read(`<s:Fault xmlns:s="${soap12}">${inner}</s:Fault>`, '1.2')).toEqual({
      code: 'Server.Sum',
      soapCode: 'Server.Sum',
      message: 'cannot',
      detail: { a: '1' },
    })
  })

  test('that lacks everything is still one', () => {
    expect(read(`<s:Fault xmlns:s="${soap11}"/>`, '1.1')).toMatchObject({ code: 'Server', message: 'Server' })
    const empty = '<faultcode/><faultstring> </faultstring>'
    expect(read(`<s:Fault xmlns:s="${soap11}">${empty}</s:Fault>`, '1.1')).toMatchObject({
      code: 'Server',
      message: 'Server',
    })
  })

  test.each<[string, Json | undefined]>([
    ['<detail/>', undefined],
    [
      '<detail xmlns:x="http://www.w3.org/2001/XMLSchema-instance" x:type="y" s:encodingStyle=""> </detail>',
      undefined,
    ],
    ['<detail> locked </detail>', 'locked'],
    ['<detail code="7"/>', { '@code': '7' }],
    ['<detail code="7">locked</detail>', { '@code': '7', '#text': 'locked' }],
    ['<detail code="7"><b>is</b></detail>', { '@code': '7', b: 'is' }],
    ['<detail>order 5 <b>is</b></detail>', { '#text': 'order 5 ', b: 'is' }],
    ['<detail>order 5 <b>is</b> locked</detail>', { '#text': 'order 5  locked', b: 'is' }],
    ['<detail><b>is</b>.</detail>', { '#text': '.', b: 'is' }],
    ['<detail xml:lang="en">locked</detail>', 'locked'],
    [`<detail xmlns:u="${wsu}" u:Id="id-5"><b>is</b></detail>`, { b: 'is' }],
    [
      '<detail xmlns:p="urn:p" xmlns:q="urn:q" p:code="1" q:code="2" code="3"/>',
      { '@code': '1', '@{urn:q}code': '2', '@{}code': '3' },
    ],
  ])('loses nothing of its detail (DESIGN §3): %s', (text, detail) => {
    const { detail: got } = read(`<s:Fault xmlns:s="${soap11}">${text}</s:Fault>`, '1.1')
    expect(got).toEqual(detail)
  })

  test('is told on with its entries first, and then what stood beside them', () => {
    const detail = { '@code': '7', '#text': 'order 5 ', b: 'is' }
    const text = written(faultOfReply({ code: 'Server', message: 'no', detail }, {}), '1.1')
    expect(text).toMatch(
      /<detail><b>is<\/b><(\w+):detail[^>]*>\{"@code":"7","#text":"order 5 "\}<\/\1:detail><\/detail>/u,
    )
  })
})
