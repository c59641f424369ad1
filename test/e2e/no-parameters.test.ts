// Who asks for something that takes no parameters: in XML that is an element without content, and to a business system a plain GET.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { openHouse } from '../support/house.ts'

const envelope = (body: string): string =>
  `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>${body}</e:Body></e:Envelope>`

test('an operation without parameters is called by plain XML, by SOAP without a WSDL and by JSON alike', async () => {
  const asked: string[] = []
  const business = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    response.setHeader('content-type', 'application/json').end('{"state":"up"}')
  }).listen(0, '127.0.0.1')
  await once(business, 'listening')
  const { port } = business.address() as AddressInfo // of a TCP server
  await using house = await openHouse({
    yaml: `
channels:
  web: { adapter: rest }
  erp: { adapter: webservice, path: /erp }
  crm: { adapter: soap, path: /crm, operations: { Status: { kind: request } } }
backends:
  system: { adapter: rest, url: "http://127.0.0.1:${port}", operations: { Status: { method: GET, path: /status } } }
routes: [{ backend: system }]
`,
  })
  const post = async (path: string, type: string, body: string): Promise<string> => {
    const headers = { 'content-type': type, soapaction: '""' }
    const response = await fetch(`${house.base}${path}`, { method: 'POST', headers, body })
    const text = await response.text()
    expect(response.status, text).toBe(200)
    return text
  }
  expect(await post('/erp', 'text/xml', '<Status/>')).toContain('<state>up</state>')
  expect(await post('/erp', 'text/xml', '<Status></Status>')).toContain('<state>up</state>')
  expect(await post('/crm', 'text/xml', envelope('<o:Status xmlns:o="urn:o"/>'))).toContain('state>up</')
  expect(await post('/v1/requests/Status', 'application/json', '{}')).toBe('{"state":"up"}')
  expect(asked).toEqual(Array.from({ length: 4 }, () => 'GET /status'))
  business.closeAllConnections()
  business.close()
})
