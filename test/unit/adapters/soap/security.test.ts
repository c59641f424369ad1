import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Scope } from 'dragoman'
import { testScope } from 'dragoman/testing'
import { channelConfig } from '../../../../adapters/soap/config.ts'
import { readEnvelope } from '../../../../adapters/soap/envelope.ts'
import { channelGuard } from '../../../../adapters/soap/security.ts'
import { usernameToken } from '../../../../adapters/soap/username-token.ts'
import { wsse } from '../../../../adapters/soap/wsse.ts'
import { readXml } from '../../../../adapters/xml/read.ts'
import { element, type XmlElement } from '../../../../adapters/xml/tree.ts'
import { writeXmlText } from '../../../../adapters/xml/write.ts'
import { captures, fixtures } from './corpus.ts'
import { bodyText, envelope, getTicket, serve, soap12 } from './service.ts'

const key = (name: string): string => new URL(`keys/${name}`, fixtures).pathname
const signed = (name: string): Uint8Array => readFileSync(new URL(`signed/${name}.xml`, fixtures))
const now = (): number => Date.parse('2027-01-01T12:00:00Z')
const then = (): number => Date.parse('2026-11-21T08:31:46Z')
const users = [{ user: 'alice', password: 'secret' }]

describe('a channel that asks for users', () => {
  const security = { users }

  test('takes a token, hands its user on, and keeps neither the password nor the bytes that hold it', async () => {
    await using running = await serve({ config: { security }, scope: { now: then } })
    const body = captures('extras-wsse-wsa-11')[1]?.request.body ?? new Uint8Array()
    expect((await running.post(body)).status).toBe(200)
    expect(running.identities).toEqual([{ role: 'program', id: 'alice' }])
    expect(running.host.drafts[0]).toMatchObject({ type: 'GetTicket', metadata: {} })
    expect(running.host.drafts[0]).not.toHaveProperty('raw')
  })

  test('shows no command to try it with: a token is the client’s to make', async () => {
    await using running = await serve({ config: { security } })
    expect(running.channel.hint?.('http://127.0.0.1')).toBeUndefined()
  })

  test('refuses a request without one, as a fault of its version, before anything happens (WSS 1.1 §12)', async () => {
    await using running = await serve({ config: { security } })
    const first = await running.post(envelope(getTicket()))
    expect([first.status, bodyText(first)]).toEqual([
      500,
      expect.stringContaining('<faultcode>s:Client</faultcode>'),
    ])
    const second = await running.post(envelope(getTicket(), { uri: soap12 }))
    expect(second.status).toBe(400)
    expect(bodyText(second)).toContain('<s:Subcode><s:Value>wsse:InvalidSecurity</s:Value></s:Subcode>')
    expect(running.host.drafts).toEqual([])
  })

  test('takes each nonce once', async () => {
    await using running = await serve({ config: { security }, scope: { now: then } })
    const body = captures('extras-wsse-wsa-11')[1]?.request.body ?? new Uint8Array()
    await running.post(body)
    expect((await running.post(body)).status).toBe(500)
    expect(running.host.drafts).toHaveLength(1)
  })
})

test('what WS-Security refuses is counted by its true reason, which the log has once a minute; the callers read one and the same', async () => {
  const lines: unknown[] = []
  const counted: unknown[] = []
  let time = then()
  const scope: Scope = {
    ...testScope({ id: 'erp', now: () => time }),
    log: { debug() {}, info() {}, error() {}, warn: (_message, fields) => void lines.push(fields?.['why']) },
    metrics: { count: (...row) => void counted.push(row), gauge() {} },
  }
  const { security } = channelConfig.parse({ path: '/x', security: { users } })
  if (security === undefined) throw new Error('no security')
  const guard = await channelGuard(security, scope)
  const said = new Set<string>()
  const tried = async (token?: XmlElement): Promise<void> => {
    const header = token === undefined ? '' : writeXmlText(element(wsse, 'Security', [], [token]))
    const { root } = readXml(new TextEncoder().encode(envelope(getTicket(), { header })))
    await guard.check(readEnvelope(root)).catch((error: Error) => said.add(error.message))
  }
  const token = (user: string, password: string): XmlElement =>
    usernameToken({ user, password, passwordType: 'digest', now: time })
  const right = token('alice', 'secret')
  for (const one of [right, right, token('bob', 'secret'), token('alice', 'x'), token('alice', 'y')])
    await tried(one)
  expect(said.size).toBe(1)
  expect(lines).toEqual(['nonce used before', 'unknown user', 'wrong password'])
  time += 60_000
  await tried(token('alice', 'z'))
  await tried()
  expect(lines.slice(3)).toEqual(['wrong password', 'a wsse:Security header is needed'])
  const reasons = ['nonce_used_before', 'unknown_user', ...Array(3).fill('wrong_password'), 'InvalidSecurity']
  expect(counted).toEqual(reasons.map((reason) => ['soap_refused_total', { channel: 'erp', reason }]))
})

describe('a channel that asks for signatures', () => {
  const security = { trust: [key('erp.pem')] }

  test.each(['zeep-issuer-serial', 'zeep-binary-sha256'])(
    'takes what zeep and xmlsec signed (%s)',
    async (name) => {
      await using running = await serve({ config: { security }, scope: { now } })
      expect((await running.post(signed(name))).status).toBe(200)
      expect(running.identities).toEqual([{ role: 'program', id: 'erp' }])
    },
  )

  test('takes what xmlsec1 signed by inclusive canonicalization, also as what no transform means (XML Signature §4.4.3.2)', async () => {
    await using running = await serve({ config: { security }, scope: { now } })
    const text = new TextDecoder().decode(signed('xmlsec-inclusive'))
    expect((await running.post(text)).status).toBe(200)
    expect(running.identities).toEqual([{ role: 'program', id: 'erp' }])
    for (const changed of [
      text.replace('xml:lang="de"', 'xml:lang="fr"'), // what it inherits is signed too
      text.replace('xmlns:xsd=', 'xmlns:xse='),
      text.replace('2027-01-01T11:59:00Z', '2027-01-01T11:59:01Z'),
      text.replace('>1</o:ticketId>', '>2</o:ticketId>'),
    ]) {
      expect(changed).not.toBe(text)
      expect((await running.post(changed)).status).toBe(500)
    }
    expect(running.identities).toHaveLength(1)
  })

  test('refuses SHA-1 where the config does', async () => {
    await using running = await serve({ config: { security: { ...security, sha1: false } }, scope: { now } })
    expect((await running.post(signed('zeep-issuer-serial'))).status).toBe(500)
    expect((await running.post(signed('zeep-binary-sha256'))).status).toBe(200)
  })

  test('refuses a Body that was changed, or a Timestamp that is missing where it is required', async () => {
    await using running = await serve({ config: { security }, scope: { now } })
    const text = new TextDecoder().decode(signed('zeep-binary-sha256'))
    expect((await running.post(text.replace('ticketId>1<', 'ticketId>2<'))).status).toBe(500)
    await using strict = await serve({
      config: { security: { ...security, timestamp: 'required' } },
      scope: { now },
    })
    expect((await strict.post(text)).status).toBe(500)
    expect([...running.host.drafts, ...strict.host.drafts]).toEqual([])
  })

  test('signs its answers, and its faults too', async () => {
    const sign = { keyFile: key('erp.key'), certFile: key('erp.pem') }
    await using running = await serve({ config: { security: { sign } } })
    for (const id of ['1', '2']) {
      const text = bodyText(await running.post(envelope(getTicket(id))))
      expect(text).toMatch(/<wsse:Security>.*<ds:SignatureValue>[\w+/=]{300,}<.*<s:Body wsu:Id="body">/su)
    }
  })
})

test('without security, a Security block that must be understood is not', async () => {
  await using running = await serve()
  const header =
    '<w:Security xmlns:w="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd" s:mustUnderstand="1"/>'
  const response = await running.post(envelope(getTicket(), { header }))
  expect(bodyText(response)).toContain('s:MustUnderstand')
  expect(running.host.drafts).toEqual([])
})
