// Each error of the gateway as a caller of the channel meets it: status, content type and fault, in both versions.
import { describe, expect, test } from 'vitest'
import { errorTable, GatewayError, type ErrorCode } from 'dragoman'
import { readXml } from '../../../../adapters/xml/read.ts'
import { childElement, resolveQName, textOf, type XmlElement } from '../../../../adapters/xml/tree.ts'
import { bytesOf, envelope, getTicket, serve, soap11, soap12 } from './service.ts'

// SOAP 1.1 §4.4.1, §6.2: whose mistake it was, always 500; SOAP 1.2 Part 2 table 20: Sender 400, Receiver 500.
const rows: readonly (readonly [ErrorCode, code11: string, code12: string, status12: number])[] = [
  ['AUTH_FAILED', 'Client', 'Sender', 400],
  ['FORBIDDEN', 'Client', 'Sender', 400],
  ['DECODE_FAILED', 'Client', 'Sender', 400],
  ['TOO_LARGE', 'Client', 'Sender', 400],
  ['METHOD_NOT_ALLOWED', 'Client', 'Sender', 400],
  ['UNSUPPORTED_MEDIA', 'Client', 'Sender', 400],
  ['NOT_FOUND', 'Client', 'Sender', 400],
  ['NO_ROUTE', 'Client', 'Sender', 400],
  ['IDEMPOTENCY_MISMATCH', 'Client', 'Sender', 400],
  ['NOT_OWNER', 'Client', 'Sender', 400],
  ['TOO_OLD', 'Client', 'Sender', 400],
  ['EXPIRED', 'Client', 'Sender', 400],
  ['CURSOR_RESET', 'Client', 'Sender', 400],
  ['RATE_LIMITED', 'Client', 'Sender', 400],
  ['OVERLOADED', 'Server', 'Receiver', 500],
  ['STORE_UNAVAILABLE', 'Server', 'Receiver', 500],
  ['CHANNEL_GONE', 'Server', 'Receiver', 500],
  ['ENCODE_FAILED', 'Server', 'Receiver', 500],
  ['INTERNAL', 'Server', 'Receiver', 500],
  ['BREAKER_OPEN', 'Server', 'Receiver', 500],
  ['DEADLINE_EXCEEDED', 'Server', 'Receiver', 500],
  ['AGENT_FAILED', 'Server', 'Receiver', 500],
  ['BACKEND_FAILED', 'Server', 'Receiver', 500],
  ['OUTCOME_UNKNOWN', 'Server', 'Receiver', 500],
]

test('every error of the gateway has a row', () => {
  expect(rows.map(([code]) => code).toSorted()).toEqual(Object.keys(errorTable).toSorted())
})

describe.each(rows)('%s', (code, code11, code12, status12) => {
  const setting = {
    reply: () => {
      throw new GatewayError(code, 'words for <people>', { cause: new Error('secret inside') })
    },
  }
  const retryAfter = [429, 503].includes(errorTable[code].status) ? '1' : undefined

  test(`is ${code11} with 500 in text/xml in SOAP 1.1 (§4.4, §6.2)`, async () => {
    await using running = await serve(setting)
    const answer = await running.post(envelope(getTicket()))
    expect([answer.status, answer.headers?.['content-type'], answer.headers?.['retry-after']]).toEqual([
      500,
      'text/xml; charset=utf-8',
      retryAfter,
    ])
    const fault = faultOf(bytesOf(answer), soap11)
    const faultcode = at(fault, '', 'faultcode')
    expect(resolveQName(faultcode, textOf(faultcode))).toEqual({ uri: soap11, local: code11 })
    expect(textOf(at(fault, '', 'faultstring'))).toBe('words for <people>')
    // WS-I BP 1.1 R1000, R1001: nothing else; §4.4: no detail, for the Body was not the reason
    expect(fault.children).toHaveLength(2)
  })

  test(`is ${code12} with ${status12} in application/soap+xml in SOAP 1.2 (Part 1 §5.4, Part 2 table 20)`, async () => {
    await using running = await serve(setting)
    const answer = await running.post(envelope(getTicket(), { uri: soap12 }), {
      'content-type': 'application/soap+xml; charset=utf-8',
    })
    expect([answer.status, answer.headers?.['content-type'], answer.headers?.['retry-after']]).toEqual([
      status12,
      'application/soap+xml; charset=utf-8',
      retryAfter,
    ])
    const fault = faultOf(bytesOf(answer), soap12)
    const outer = at(fault, soap12, 'Code')
    const value = at(outer, soap12, 'Value')
    expect(resolveQName(value, textOf(value))).toEqual({ uri: soap12, local: code12 })
    const subcode = at(at(outer, soap12, 'Subcode'), soap12, 'Value')
    expect(resolveQName(subcode, textOf(subcode))).toEqual({ uri: 'urn:dragoman:soap:1', local: code })
    expect(textOf(at(at(fault, soap12, 'Reason'), soap12, 'Text'))).toBe('words for <people>')
  })
})

function faultOf(bytes: Uint8Array, uri: string): XmlElement {
  return at(at(readXml(bytes).root, uri, 'Body'), uri, 'Fault')
}

function at(parent: XmlElement, uri: string, local: string): XmlElement {
  const found = childElement(parent, uri, local)
  if (found === undefined) throw new Error(`no ${local} in ${parent.local}`)
  return found
}
