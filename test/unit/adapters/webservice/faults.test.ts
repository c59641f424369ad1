import { describe, expect, test } from 'vitest'
import { errorTable, GatewayError, type ErrorCode } from 'dragoman'
import { readXml } from '../../../../adapters/xml/read.ts'
import { childElement, textOf as textIn } from '../../../../adapters/xml/tree.ts'
import { readResponse } from '../../../../adapters/webservice/xmlrpc-messages.ts'
import { bytesOf, path, serve, textOf } from './service.ts'

// DESIGN §16, Statuses; TOO_LARGE, METHOD_NOT_ALLOWED and UNSUPPORTED_MEDIA as HTTP has them.
const rows: readonly (readonly [ErrorCode, pox: number, asmx: number, xmlrpc: number])[] = [
  ['AUTH_FAILED', 401, 401, -32001],
  ['FORBIDDEN', 403, 403, -32002],
  ['DECODE_FAILED', 400, 500, -32602],
  ['TOO_LARGE', 413, 413, -32003],
  ['METHOD_NOT_ALLOWED', 405, 405, -32004],
  ['UNSUPPORTED_MEDIA', 415, 415, -32005],
  ['NOT_FOUND', 404, 500, -32601],
  ['NO_ROUTE', 404, 500, -32601],
  ['IDEMPOTENCY_MISMATCH', 422, 500, -32006],
  ['NOT_OWNER', 409, 500, -32007],
  ['TOO_OLD', 409, 500, -32008],
  ['EXPIRED', 410, 500, -32009],
  ['CURSOR_RESET', 410, 500, -32010],
  ['RATE_LIMITED', 429, 500, -32011],
  ['OVERLOADED', 503, 500, -32020],
  ['STORE_UNAVAILABLE', 503, 500, -32021],
  ['CHANNEL_GONE', 503, 500, -32022],
  ['ENCODE_FAILED', 500, 500, -32023],
  ['INTERNAL', 500, 500, -32603],
  ['BREAKER_OPEN', 503, 500, -32030],
  ['DEADLINE_EXCEEDED', 504, 500, -32031],
  ['AGENT_FAILED', 502, 500, -32032],
  ['BACKEND_FAILED', 502, 500, -32033],
  ['OUTCOME_UNKNOWN', 409, 500, -32034],
]
const call = '<methodCall><methodName>Get</methodName></methodCall>'

describe('every error of the gateway', () => {
  test('has a row', () => {
    expect(rows.map(([code]) => code).toSorted()).toEqual(Object.keys(errorTable).toSorted())
  })

  test.each(rows)(
    '%s is %i in plain XML, %i in ASMX, fault %i in XML-RPC',
    async (code, pox, asmx, xmlrpc) => {
      const error = new GatewayError(code, 'words for <people>', { cause: new Error('secret inside') })
      await using running = await serve({ reply: () => error })

      const document = await running.post('<Get xmlns="urn:erp"/>')
      const { root } = readXml(bytesOf(document))
      const member = (name: string): string | undefined => {
        const found = childElement(root, 'urn:erp', name)
        return found === undefined ? undefined : textIn(found)
      }
      expect([document.status, document.headers?.['content-type'], root.local]).toEqual([
        pox,
        'text/xml; charset=utf-8',
        'fault',
      ])
      expect([member('code'), member('message'), member('retryable')]).toEqual([
        code,
        'words for <people>',
        String(error.retry),
      ])

      const plain = await running.get('/Get')
      expect([plain.status, plain.headers?.['content-type'], textOf(plain)]).toEqual([
        asmx,
        'text/plain; charset=utf-8',
        `System.InvalidOperationException: ${code}: words for <people>\n`,
      ])

      const response = await running.post(call)
      const read = readResponse(readXml(bytesOf(response)).root)
      expect([response.status, response.headers?.['content-type'], 'fault' in read && read.fault]).toEqual([
        200,
        'text/xml; charset=utf-8',
        { faultCode: xmlrpc, faultString: `${code}: words for <people>` },
      ])

      const isTemporary = error.status === 503 || error.status === 429
      for (const answer of [document, plain, response])
        expect(answer.headers?.['retry-after']).toBe(isTemporary ? '1' : undefined)
    },
  )

  test('401 comes with a challenge (RFC 9110 §15.5.2)', async () => {
    await using running = await serve({ reply: () => new GatewayError('AUTH_FAILED', 'who are you') })
    for (const response of [await running.post('<Get/>'), await running.get('/Get')])
      expect(response.headers?.['www-authenticate']).toBe('Bearer realm="dragoman"')
  })

  test('what is no error of ours tells nothing', async () => {
    await using running = await serve({
      reply: () => {
        throw new TypeError('cannot read /etc/secret')
      },
    })
    for (const response of [
      await running.post('<Get/>'),
      await running.get('/Get'),
      await running.form('/Get', ''),
      await running.post(call),
    ]) {
      expect(textOf(response)).toContain('INTERNAL')
      expect(textOf(response)).not.toMatch(/secret|\n\s+at /u)
    }
  })

  test('of a form is told in the charset of the caller, in UTF-8 where that lacks a character', async () => {
    await using running = await serve({
      config: { charset: 'gbk' },
      reply: () => ({ fault: { code: 'X', message: '没有订单' } }),
    })
    const response = await running.get('/Get')
    expect(response.headers?.['content-type']).toBe('text/plain; charset=gbk')
    expect(textOf(response)).toBe('System.Web.Services.Protocols.SoapException: 没有订单\n')
    await using smiling = await serve({
      config: { charset: 'gbk' },
      reply: () => ({ fault: { code: 'X', message: '😀' } }),
    })
    expect((await smiling.get('/Get')).headers?.['content-type']).toBe('text/plain; charset=utf-8')
  })

  test('is in the charset of the channel where the body could not be read', async () => {
    await using running = await serve({ config: { charset: 'gb18030', namespace: 'urn:erp' } })
    const response = await running.post('<a', { 'content-type': 'text/xml' })
    expect(response.headers?.['content-type']).toBe('text/xml; charset=gb18030')
    const wide = await running.post(
      Buffer.from('<methodCall', 'utf16le'),
      { 'content-type': 'text/xml' },
      { path },
    )
    expect([wide.status, textOf(wide).includes('faultCode')]).toEqual([200, true])
  })
})
