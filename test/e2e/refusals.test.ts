// What callers read of our own trouble: that it is so, in their protocol, and nothing of the house; the log has the rest.
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { readFile } from 'node:fs/promises'
import { once } from 'node:events'
import type { AddressInfo, Server } from 'node:net'
import { expect, test } from 'vitest'
import { makeCertificate } from '../support/certificate.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'

const ASKED = ['Sealed', 'Described', 'Moved', 'Bent', 'Nameless', 'Spoken']

const yaml = (ports: { readonly sealed: number; readonly plain: number }): string => `
channels:
  web: { adapter: rest }
  crm: { adapter: soap, path: /crm, operations: &all { ${ASKED.map((name) => `${name}: { kind: request }`).join(', ')} } }
  erp: { adapter: webservice, path: /erp, operations: *all }
  app: { adapter: graphql, path: /graphql }
backends:
  sealed: { adapter: rest, retry: { attempts: 1 }, breaker: &never { minimumCalls: 1000 }, url: "https://127.0.0.1:${ports.sealed}/inner", operations: { Sealed: { method: GET } } }
  described: { adapter: soap, retry: { attempts: 1 }, breaker: *never, wsdl: "http://127.0.0.1:${ports.plain}/inner.wsdl" }
  moved: { adapter: rest, retry: { attempts: 1 }, breaker: *never, url: "http://127.0.0.1:${ports.plain}/inner", operations: { Moved: { method: GET, path: /moved }, Bent: { method: GET, path: /bent, result: "'inner' * 2" } } }
  spoken: { adapter: graphql, retry: { attempts: 1 }, breaker: *never, url: "http://127.0.0.1:${ports.plain}/inner/text", operations: { Spoken: { document: "{ a }", safe: true } } }
routes:
  - { when: "type = 'Sealed'", backend: sealed }
  - { when: "type = 'Described'", backend: described }
  - { when: "type = 'Spoken'", backend: spoken }
  - { when: "type = 'Nameless'", backend: moved, operation: data.inner }
  - { backend: moved }
`

async function listening(server: Server): Promise<{ port: number; close: () => void }> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on TCP
  return { port, close: () => server.close() }
}

/** The same request over each protocol: what its caller reads. */
async function answers(house: House, operation: string): Promise<readonly string[]> {
  const ask = async (path: string, type: string, body: string): Promise<string> => {
    const headers = { 'content-type': type }
    const response = await fetch(`${house.base}${path}`, { method: 'POST', headers, body })
    return `${path} ${response.status} ${[...response.headers.values()].join(' ')} ${await response.text()}`
  }
  const query = `mutation { request(operation: "${operation}") { data } }`
  return Promise.all([
    ask(`/v1/requests/${operation}`, 'application/json', '{}'),
    ask(
      '/crm',
      'text/xml',
      `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><${operation}/></s:Body></s:Envelope>`,
    ),
    ask('/erp', 'text/xml', `<${operation}/>`),
    ask(
      '/erp',
      'text/xml',
      `<methodCall><methodName>${operation}</methodName><params><param><value><struct/></value></param></params></methodCall>`,
    ),
    ask('/graphql', 'application/json', JSON.stringify({ query })),
  ])
}

test('callers learn of our trouble over every protocol, without addresses, paths, expressions and keys of the config', async () => {
  using certificate = makeCertificate('orders.test')
  const [cert, key] = await Promise.all([readFile(certificate.cert), readFile(certificate.key)])
  const sealed = await listening(createSecureServer({ cert, key }))
  const plain = await listening(
    createServer(({ url = '' }, response) => {
      if (url.endsWith('moved')) response.writeHead(302, { location: 'http://10.1.2.3/inner' }).end()
      else if (url.endsWith('wsdl')) response.writeHead(404).end()
      else response.writeHead(200, { 'content-type': 'application/json' }).end('"inner"')
    }),
  )
  await using house = await openHouse({ yaml: yaml({ sealed: sealed.port, plain: plain.port }) })
  for (const operation of ASKED)
    for (const answer of await answers(house, operation)) {
      const told = `${operation}: ${answer}`
      expect(told).toMatch(/BACKEND_FAILED|NO_ROUTE|OUTCOME_UNKNOWN|faultCode|Fault/u)
      expect(told).not.toMatch(
        /127\.0\.0\.1:(?!\d+\/v1)|10\.1\.2\.3|localhost|inner|tls\.|config|\broute \d|endpoint|\.ts\b|\bat /iu,
      )
    }
  // The operator reads where and what to do.
  for (const words of [
    `https://127.0.0.1:${sealed.port}: name its authority in tls.ca`,
    `http://127.0.0.1:${plain.port}/inner.wsdl`,
    'put the address it leads to into the config',
    'in \\"\'inner\' * 2\\"',
  ])
    expect(house.log()).toContain(words)
  for (const { close } of [sealed, plain]) close()
})
