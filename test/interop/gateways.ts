// The gateways of the interoperability tests: one before a JSON service, one before a SOAP server.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startGateway } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'

const wsdls = join(import.meta.dirname, '../fixtures/soap/wsdl')

const channels = `
channels:
  orders: { adapter: soap, path: /orders, wsdl: ./orders.wsdl }
  legacy-lit: { adapter: soap, path: /legacy-lit, wsdl: ./legacy-rpclit.wsdl }
  legacy-enc: { adapter: soap, path: /legacy-enc, wsdl: ./legacy-rpcenc.wsdl }
`

/** SOAP in, JSON out. The one header block that matters becomes an HTTP header, and back. */
export async function startBeforeRest(url: string): Promise<GatewayProcess> {
  return startGateway({
    files: await wsdlFiles(),
    yaml: `${channels}
backends:
  business:
    adapter: rest
    url: ${url}
    operations:
      WhoAmI:
        headers: { x-user: "$eval($message.metadata.\`soap:AuthHeader\`).user" }
        metadata: { "soap:SessionHeader": "$string({ 'sessionId': $headers.\`x-session\` })" }
      '*': {}
routes: [{ backend: business }]
`,
  })
}

/** SOAP in, SOAP out: callers of either version at `/orders` and `/orders12`, the server asked in 1.1 and in 1.2. */
export async function startBeforeSoap(url: string): Promise<GatewayProcess> {
  return startGateway({
    files: await wsdlFiles(),
    yaml: `${channels}
  orders12: { adapter: soap, path: /orders12, wsdl: ./orders.wsdl }
  legacy-enc12: { adapter: soap, path: /legacy-enc12, wsdl: ./legacy-rpcenc.wsdl }
backends:
  orders: { adapter: soap, wsdl: "${url}/orders?wsdl", version: "1.1" }
  orders12: { adapter: soap, wsdl: "${url}/orders?wsdl", version: "1.2" }
  legacy-lit: { adapter: soap, wsdl: "${url}/legacy-lit?wsdl" }
  legacy-enc: { adapter: soap, wsdl: "${url}/legacy-enc?wsdl" }
  legacy-enc12: { adapter: soap, wsdl: "${url}/legacy-enc?wsdl", version: "1.2" }
routes:
  - { when: "channel = 'orders'", backend: orders }
  - { when: "channel = 'orders12'", backend: orders12 }
  - { when: "channel = 'legacy-lit'", backend: legacy-lit }
  - { when: "channel = 'legacy-enc'", backend: legacy-enc }
  - { when: "channel = 'legacy-enc12'", backend: legacy-enc12 }
`,
  })
}

/** SOAP in, to two gSOAP servers that have no `?wsdl`: the WSDL is a file, the addresses are in the config. */
export async function startBeforeGsoap(url11: string, url12: string): Promise<GatewayProcess> {
  return startGateway({
    files: await wsdlFiles(),
    yaml: `
channels:
  orders: { adapter: soap, path: /orders, wsdl: ./orders.wsdl }
  orders12: { adapter: soap, path: /orders12, wsdl: ./orders.wsdl }
backends:
  orders: { adapter: soap, wsdl: ./orders.wsdl, endpoint: "${url11}", version: "1.1" }
  orders12: { adapter: soap, wsdl: ./orders.wsdl, endpoint: "${url12}", version: "1.2" }
routes:
  - { when: "channel = 'orders'", backend: orders }
  - { when: "channel = 'orders12'", backend: orders12 }
`,
  })
}

/** SOAP in, to a SOAP::Lite server that has no WSDL, asked in 1.1 and in 1.2. */
export async function startBeforeSoapLite(url: string): Promise<GatewayProcess> {
  return startGateway({
    files: await wsdlFiles(),
    yaml: `
channels:
  legacy-enc: { adapter: soap, path: /legacy-enc, wsdl: ./legacy-rpcenc.wsdl }
  legacy-enc12: { adapter: soap, path: /legacy-enc12, wsdl: ./legacy-rpcenc.wsdl }
  legacy-lit: { adapter: soap, path: /legacy-lit, wsdl: ./legacy-rpclit.wsdl }
backends:
  perl: { adapter: soap, wsdl: ./legacy-rpcenc.wsdl, endpoint: "${url}/" }
  perl12: { adapter: soap, wsdl: ./legacy-rpcenc.wsdl, endpoint: "${url}/", version: "1.2" }
routes:
  - { when: "channel = 'legacy-enc12'", backend: perl12 }
  - { backend: perl }
`,
  })
}

/** SOAP in, to Axis' rpc/encoded service; the WSDL that Axis makes of it says `string` where an array is. */
export async function startBeforeAxis(url: string): Promise<GatewayProcess> {
  return startGateway({
    files: await wsdlFiles(),
    yaml: `
channels:
  legacy-enc: { adapter: soap, path: /legacy-enc, wsdl: ./legacy-rpcenc.wsdl }
  legacy-lit: { adapter: soap, path: /legacy-lit, wsdl: ./legacy-rpclit.wsdl }
backends:
  axis: { adapter: soap, wsdl: ./legacy-rpcenc.wsdl, endpoint: "${url}/axis/services/LegacyPort" }
routes: [{ backend: axis }]
`,
  })
}

async function wsdlFiles(): Promise<Record<string, string>> {
  const names = ['orders.wsdl', 'legacy-rpclit.wsdl', 'legacy-rpcenc.wsdl']
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(wsdls, name), 'utf8')] as const)),
  )
}
