// DESIGN §11: where every caller needs a credential of the gateway's, WS-Security is a SOAP channel's own.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { usernameToken } from '../../adapters/soap/username-token.ts'
import { wsse } from '../../adapters/soap/wsse.ts'
import { element } from '../../adapters/xml/tree.ts'
import { writeXmlText } from '../../adapters/xml/write.ts'
import { startGateway } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { envelope, getTicket } from '../unit/adapters/soap/service.ts'
import { fixtures, runProgram, skipped, why } from './clients.ts'
import { startKitBusiness } from './rest-business.ts'

const KEY = 'key-of-the-shop-0123456789'
const PASSWORD = 'secret-of-the-erp-9'

describe('with identity', () => {
  const started = new AsyncDisposableStack()
  let gateway: GatewayProcess
  beforeAll(async () => {
    const business = started.use(await startKitBusiness())
    const wsdl = await readFile(join(fixtures, '../soap/wsdl/orders.wsdl'), 'utf8')
    const users = `users: [{ user: erp, password: ${PASSWORD} }]`
    const yaml = `
identity: { keys: { shop: { key: ${KEY} } } }
channels:
  orders: { adapter: soap, path: /orders, wsdl: ./orders.wsdl, security: { ${users} } }
  fenced: { adapter: soap, path: /fenced, wsdl: ./orders.wsdl, security: { ${users} }, access: { from: [192.0.2.0/24] } }
  stamped: { adapter: soap, path: /stamped, wsdl: ./orders.wsdl, security: { timestamp: required } }
backends: { business: { adapter: rest, url: "${business.url}", operations: { '*': {} } } }
routes: [{ backend: business }]
`
    gateway = started.use(await startGateway({ yaml, files: { 'orders.wsdl': wsdl } }))
  })
  afterAll(() => started.disposeAsync())

  const post = async (path: string, password: string, headers: Record<string, string> = {}) => {
    const token = usernameToken({ user: 'erp', password, passwordType: 'digest', now: Date.now() })
    const header = writeXmlText(element(wsse, 'Security', [], [token]))
    const response = await fetch(`${gateway.base}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'text/xml', ...headers },
      body: envelope(getTicket(), { header }),
    })
    return { status: response.status, text: await response.text() }
  }
  const described = async (path: string, headers: Record<string, string> = {}): Promise<number> =>
    (await fetch(`${gateway.base}${path}?wsdl`, { headers })).status

  test('a token of WS-Security is a credential, and a wrong one a fault', async () => {
    expect(await post('/orders', PASSWORD)).toMatchObject({
      status: 200,
      text: expect.stringContaining('GetTicketResponse'),
    })
    expect(await post('/orders', 'another')).toMatchObject({
      status: 500,
      text: expect.stringContaining('could not be authenticated'),
    })
  })

  const refusals = async (): Promise<number> => {
    const metrics = await (await fetch(`${gateway.base}/metrics`)).text()
    const series = /^dragoman_refused_total\{[^}]*reason="credential"[^}]*\} (\d+)$/gmu
    return [...metrics.matchAll(series)].reduce((sum, [, count]) => sum + Number(count), 0)
  }

  test('the description is for who has a key; a key that is wrong is refused, beside a right token too', async () => {
    const before = await refusals()
    expect(await described('/orders')).toBe(401)
    expect(await refusals()).toBe(before + 1)
    expect(await described('/orders', { 'x-api-key': KEY })).toBe(200)
    expect((await post('/orders', PASSWORD, { 'x-api-key': KEY })).status).toBe(200)
    expect((await post('/orders', PASSWORD, { 'x-api-key': `${KEY}0` })).status).toBe(401)
  })

  test('what the access of the channel says holds all the same; a Timestamp alone names nobody', async () => {
    expect([await described('/fenced'), (await post('/fenced', PASSWORD)).status]).toEqual([403, 403])
    expect([await described('/stamped'), (await post('/stamped', PASSWORD)).status]).toEqual([401, 401])
  })

  test.skipIf(skipped('zeep'))(`zeep gets in with a UsernameToken${why('zeep')}`, async () => {
    const program = `
import sys, zeep
from zeep.wsse.username import UsernameToken
client = zeep.Client(sys.argv[1], wsse=UsernameToken('erp', sys.argv[3], use_digest=True))
service = client.create_service(next(iter(client.wsdl.bindings)), sys.argv[2])
print(service.GetTicket(ticketId='1') is not None)
`
    const args = [join(fixtures, '../soap/wsdl/orders.wsdl'), `${gateway.base}/orders`, PASSWORD]
    expect((await runProgram('/usr/bin/python3', ['-c', program, ...args])).trim()).toBe('True')
  })
})
