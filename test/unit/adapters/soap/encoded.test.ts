import { describe, expect, test } from 'vitest'
import { loadDocuments } from '../../../../adapters/soap/documents.ts'
import { messageCodec } from '../../../../adapters/soap/messages.ts'
import { readWsdl } from '../../../../adapters/soap/wsdl.ts'
import { readXmlText } from '../../../../adapters/xml/read.ts'
import { bodyText, envelope, normal, serve, wsdl } from './service.ts'

const model = readWsdl(await loadDocuments(wsdl('legacy-rpcenc'), { fetch, imports: [] }))

function decode(operation: string, inner: string) {
  const found = model.operations.find(({ name }) => name === operation)
  if (found === undefined) throw new Error(operation)
  const namespaces =
    'xmlns:i="http://www.w3.org/2001/XMLSchema-instance" xmlns:x="http://www.w3.org/2001/XMLSchema" xmlns:e="http://schemas.xmlsoap.org/soap/encoding/" xmlns:p="http://namespaces.soaplite.com/perl"'
  const text = `<m:${operation} xmlns:m="urn:example:legacy" ${namespaces}>${inner}</m:${operation}>`
  return messageCodec(model.schemas, found, found.input).decode(readXmlText(text), '1.1')
}

const ticket =
  '<id i:type="x:long">9007199254740993</id><title i:type="x:base64Binary">w7w=</title><tags e:arrayType="x:anyType[1]" i:type="e:Array"><item i:type="x:base64Binary">5ryi</item></tags>'

describe('SOAP encoding as untyped stacks write it', () => {
  test('text beyond ASCII that SOAP::Lite sends as base64 is that text', () => {
    expect(decode('echoString', '<s i:type="x:base64Binary">ICBhPGI+JsO85ryi8J+YgCA=</s>')).toEqual({
      s: '  a<b>&ü漢😀 ',
    })
    expect(decode('echoString', '<s i:type="e:base64">w7w=</s>')).toEqual({ s: 'ü' })
  })

  test('what is no base64 of UTF-8 stays what it is', () => {
    expect(decode('echoString', '<s i:type="x:string">w7w=</s>')).toEqual({ s: 'w7w=' })
    expect(decode('echoString', '<s i:type="x:base64Binary">/w==</s>')).toEqual({ s: '/w==' })
  })

  test('a type nobody declared gives way to the declared one, members and items too', () => {
    expect(decode('echoTicket', `<ticket i:type="p:Ticket">${ticket}</ticket>`)).toEqual({
      ticket: { id: '9007199254740993', title: 'ü', tags: ['漢'] },
    })
  })

  test.each(['http://www.w3.org/1999/XMLSchema', 'http://www.w3.org/2000/10/XMLSchema'])(
    'types and nil as the schema of %s has them are understood',
    (old) => {
      const spaces = `xmlns:o="${old}" xmlns:oi="${old}-instance"`
      expect(decode('echoString', `<s ${spaces} oi:type="o:string">007</s>`)).toEqual({ s: '007' })
      expect(decode('echoString', `<s ${spaces} oi:null="1"/>`)).toEqual({ s: null })
      const items = '<i oi:type="o:string">a</i><i oi:type="p:Unknown">b</i>'
      const tags = `<tags oi:type="e:Array" e:arrayType="o:ur-type[2]">${items}</tags>`
      expect(decode('echoTicket', `<ticket ${spaces} oi:type="p:Ticket">${tags}</ticket>`)).toEqual({
        ticket: { tags: ['a', 'b'] },
      })
    },
  )

  const map = (members: Readonly<Record<string, string>>): string =>
    Object.entries(members)
      .map(([key, value]) => `<item><key i:type="x:string">${key}</key><value ${value}</value></item>`)
      .join('')
  const isMap = 'xmlns:apache="http://xml.apache.org/xml-soap" i:type="apache:Map"'

  test('an associative array of PHP or a HashMap of Java is the struct that is declared, or the array', () => {
    const owner = map({ login: 'i:type="x:string">ann', phone: 'i:type="x:int">4420' })
    const members = map({
      id: 'i:type="x:int">7',
      title: 'i:type="x:base64Binary">w7w=',
      owner: `${isMap}>${owner}`,
      tags: `${isMap}>${map({ 3: 'i:type="x:string">a', 5: 'i:nil="true">' })}`,
      watcher: 'i:nil="true">',
    })
    expect(decode('echoTicket', `<ticket ${isMap}>${members}</ticket>`)).toEqual({
      ticket: {
        id: '7',
        title: 'ü',
        owner: { login: 'ann', phone: '4420' },
        watcher: null,
        tags: ['a', null],
      },
    })
    const vector =
      '<tags xmlns:apache="http://xml.apache.org/xml-soap" i:type="apache:Vector"><item>a</item></tags>'
    expect(decode('echoTicket', `<ticket>${vector}</ticket>`)).toEqual({ ticket: { tags: ['a'] } })
    const unknown = `<ticket ${isMap}>${map({ nope: '>1' })}</ticket>`
    expect(() => decode('echoTicket', unknown)).toThrow('ticket/nope: is not an element the schema has here')
  })

  test('accessors without a fitting name are taken by position (SOAP 1.1 §7.1)', () => {
    expect(
      decode('createTicket', '<c-gensym1 i:type="x:string">t</c-gensym1><c-gensym2>7</c-gensym2>'),
    ).toEqual({ title: 't', priority: 7 })
  })

  test('the accessor that names the result is no part of it (SOAP 1.2 Part 2 §4.2.1)', () => {
    const named = '<r:result xmlns:r="http://www.w3.org/2003/05/soap-rpc">s</r:result><s>a</s>'
    expect(decode('echoString', named)).toEqual({ s: 'a' })
    expect(() => decode('echoString', '<result>s</result><s>a</s>')).toThrow('is not a part')
  })

  test.each([
    ['two of one name', '<s>a</s><s>b</s>'],
    ['a stranger beside a known one', '<s>a</s><t>b</t>'],
    ['text beside them', 'x<s>a</s>'],
  ])('%s are refused', (_what, inner) => {
    expect(() => decode('echoString', inner)).toThrow(expect.objectContaining({ code: 'DECODE_FAILED' }))
  })
})

describe('Axis 1', () => {
  const style = 's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"'
  const types =
    'xmlns:i="http://www.w3.org/2001/XMLSchema-instance" xmlns:e="http://schemas.xmlsoap.org/soap/encoding/" xmlns:t="urn:example:legacy:types" xmlns:x="http://www.w3.org/2001/XMLSchema"'
  const ref = (id: string, type: string, inner: string): string =>
    `<multiRef id="${id}" e:root="0" ${style} i:type="${type}" ${types}>${inner}</multiRef>`
  const request = envelope(
    `<m:echoTicket xmlns:m="urn:example:legacy" ${style}><ticket href="#id0"/></m:echoTicket>` +
      ref(
        'id0',
        't:Ticket',
        '<id href="#id3"/><title i:type="x:string">T</title><owner href="#id1"/><watcher href="#id1"/><due i:type="x:dateTime">2024-02-29T10:15:30Z</due><tags e:arrayType="x:string[2]" i:type="e:Array"><tags>a</tags><tags>b</tags></tags><open href="#id2"/>',
      ) +
      ref('id1', 't:Person', '<login i:type="x:string">ann</login><phone i:type="x:string">0044 20</phone>') +
      ref('id2', 'x:boolean', 'true') +
      ref('id3', 'x:long', '9007199254740993'),
  )

  test('sends every value as a reference beside the call (SOAP 1.1 §5.4.1); the answer has types and no references', async () => {
    await using running = await serve({ config: { wsdl: wsdl('legacy-rpcenc') } })
    const response = await running.post(request)
    const person = { login: 'ann', phone: '0044 20' }
    expect(running.host.drafts[0]?.data).toEqual({
      ticket: {
        id: '9007199254740993',
        title: 'T',
        owner: person,
        watcher: person,
        due: '2024-02-29T10:15:30Z',
        tags: ['a', 'b'],
        open: true,
      },
    })
    const text = bodyText(response)
    expect(text).not.toMatch(/href|multiRef/u)
    expect(text).toMatch(/<id xsi:type="xsd:long">9007199254740993<.*soapenc:arrayType="xsd:string\[2\]"/su)
    expect(normal(response)).toContain('encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"')
  })

  test.each([
    ['a circle', '<ticket href="#id1"/></m:echoTicket><multiRef id="id1"><owner href="#id1"/></multiRef>'],
    ['a reference to nothing', '<ticket href="#id9"/></m:echoTicket>'],
    ['two of one id', '<ticket href="#a"/></m:echoTicket><multiRef id="a"/><multiRef id="a"/>'],
  ])('%s is a Client fault', async (_what, inner) => {
    await using running = await serve({ config: { wsdl: wsdl('legacy-rpcenc') } })
    const response = await running.post(envelope(`<m:echoTicket xmlns:m="urn:example:legacy">${inner}`))
    expect([response.status, bodyText(response)]).toEqual([500, expect.stringContaining('s:Client')])
  })
})
