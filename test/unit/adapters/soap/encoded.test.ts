import { describe, expect, test } from 'vitest'
import { loadDocuments } from '../../../../adapters/soap/documents.ts'
import { messageCodec } from '../../../../adapters/soap/messages.ts'
import { readWsdl } from '../../../../adapters/soap/wsdl.ts'
import { readXmlText } from '../../../../adapters/xml/read.ts'
import { wsdl } from './service.ts'

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

  test('accessors without a fitting name are taken by position (SOAP 1.1 §7.1)', () => {
    expect(
      decode('createTicket', '<c-gensym1 i:type="x:string">t</c-gensym1><c-gensym2>7</c-gensym2>'),
    ).toEqual({ title: 't', priority: 7 })
  })

  test.each([
    ['two of one name', '<s>a</s><s>b</s>'],
    ['a stranger beside a known one', '<s>a</s><t>b</t>'],
    ['text beside them', 'x<s>a</s>'],
  ])('%s are refused', (_what, inner) => {
    expect(() => decode('echoString', inner)).toThrow(expect.objectContaining({ code: 'DECODE_FAILED' }))
  })
})
