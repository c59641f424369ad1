// What the 67 requirements are tested on: a real gateway before a JSON service that remembers, and SOAP servers that do.
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { readXmlText } from '../../../adapters/xml/read.ts'
import { childElement, childElements, resolveQName, textOf } from '../../../adapters/xml/tree.ts'
import type { XmlElement } from '../../../adapters/xml/tree.ts'
import { send, sendRaw } from '../../e2e/hostile-world.ts'
import type { Answer, Headers } from '../../e2e/hostile-world.ts'
import { startBusiness } from '../../interop/rest-business.ts'
import { startGateway } from '../../support/gateway.ts'
import type { GatewayProcess } from '../../support/gateway.ts'
import { answer } from '../../unit/adapters/soap/semantics.ts'

export const E11 = 'http://schemas.xmlsoap.org/soap/envelope/'
export const E12 = 'http://www.w3.org/2003/05/soap-envelope'
export const ORDERS = 'urn:example:orders:v1'
export const XSI = 'http://www.w3.org/2001/XMLSchema-instance'
export const CONTENT_TYPE = {
  '1.1': 'text/xml; charset=utf-8',
  '1.2': 'application/soap+xml; charset=utf-8',
} as const
export const BODY_LIMIT = 4 * 1024 * 1024

export type Version = keyof typeof CONTENT_TYPE

/** What a SOAP server behind the gateway was sent. */
export interface Received {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

export interface World extends AsyncDisposable {
  readonly gateway: GatewayProcess
  /** What the JSON service was asked, in order. */
  readonly asked: readonly { readonly operation: string; readonly data: unknown }[]
  readonly received: readonly Received[]
  /** One POST, to `/orders` unless it says otherwise. */
  post(body: string | Uint8Array, options?: Post): Promise<Answer>
  /** Any bytes on a connection of their own. */
  raw(bytes: Uint8Array | string): Promise<Answer>
  get(path: string): Promise<Answer>
}

/** Processor time of the gateway so far, all its threads: what else the machine does is not in it (proc(5)). */
export function cpuMsOf({ pid }: GatewayProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** What the gateway holds, by the kernel. */
export function residentMbOf({ pid }: GatewayProcess): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/mu.exec(status)?.[1]) / 1024
}

export interface Post {
  readonly path?: string
  readonly method?: string
  readonly headers?: Headers
  readonly version?: Version
}

const wsdls = join(import.meta.dirname, '../../fixtures/soap/wsdl')

export async function startWorld(): Promise<World> {
  const started = new AsyncDisposableStack()
  const asked: { operation: string; data: unknown }[] = []
  const business = started.use(
    await startBusiness(({ operation, text, request }) => {
      const data = JSON.parse(text === '' ? '{}' : text)
      asked.push({ operation, data })
      if (operation === 'GetOrder') return { json: JSON.stringify({ ...data, status: 'shipped' }) }
      if (operation === 'WhoAmI')
        return {
          json: JSON.stringify({ user: request.headers['x-user'] ?? '(none)' }),
          headers: { 'x-session': 'S-000042' },
        }
      const { data: said, fault } = answer(operation, data)
      if (fault !== undefined)
        return {
          status: 404,
          json: JSON.stringify({ code: fault.code, title: fault.message, detail: fault.detail }),
        }
      return said === undefined ? { status: 204 } : { json: JSON.stringify(said) }
    }),
  )
  const received: Received[] = []
  const server = createServer((request, response) => {
    void (async () => {
      const body = (await request.setEncoding('utf8').toArray()).join('')
      received.push({ headers: request.headers, body })
      const version = body.includes(E12) ? '1.2' : '1.1'
      response.setHeader('content-type', CONTENT_TYPE[version])
      response.end(
        envelope(
          `<m:AddCommentResponse xmlns:m="${ORDERS}"><m:seen>value:x</m:seen></m:AddCommentResponse>`,
          { version },
        ),
      )
    })()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  started.defer(() => void server.close())
  const { port } = server.address() as AddressInfo // it listens on TCP
  const gateway = started.use(await startGateway({ files: await files(), yaml: config(business.url, port) }))
  return {
    gateway,
    asked,
    received,
    post: (body, { path = '/orders', method = 'POST', headers = {}, version = '1.1' } = {}) =>
      send(gateway, { method, path, body, headers: { 'content-type': CONTENT_TYPE[version], ...headers } }),
    raw: (bytes) => sendRaw(gateway, bytes),
    get: (path) => send(gateway, { method: 'GET', path }),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

async function files(): Promise<Record<string, string>> {
  const text = (name: string): Promise<string> => readFile(join(wsdls, name), 'utf8')
  const orders = await text('orders.wsdl')
  return {
    'orders.wsdl': orders,
    'no-action.wsdl': orders.replaceAll(/soapAction="[^"]*"/gu, 'soapAction=""'),
    'legacy-rpclit.wsdl': await text('legacy-rpclit.wsdl'),
    'legacy-rpcenc.wsdl': await text('legacy-rpcenc.wsdl'),
  }
}

function config(business: string, port: number): string {
  return `
http: { bodyLimit: 4mb }
channels:
  orders: { adapter: soap, path: /orders, wsdl: ./orders.wsdl, mtom: both }
  strict: { adapter: soap, path: /strict, wsdl: ./orders.wsdl, tolerateSurrogateRefs: false }
  mild: { adapter: soap, path: /mild, wsdl: ./orders.wsdl, processingInstructions: ignore }
  legacy-lit: { adapter: soap, path: /legacy-lit, wsdl: ./legacy-rpclit.wsdl }
  legacy-enc: { adapter: soap, path: /legacy-enc, wsdl: ./legacy-rpcenc.wsdl }
  out11: { adapter: soap, path: /out11, wsdl: ./orders.wsdl }
  out12: { adapter: soap, path: /out12, wsdl: ./orders.wsdl }
  bare: { adapter: soap, path: /bare, wsdl: ./orders.wsdl }
  erp: { adapter: webservice, path: /erp, operations: { GetOrder: { kind: request } } }
backends:
  business:
    adapter: rest
    url: ${business}
    operations:
      WhoAmI:
        headers: { x-user: "$eval($message.metadata.\`soap:AuthHeader\`).user" }
        metadata: { "soap:SessionHeader": "$string({ 'sessionId': $headers.\`x-session\` })" }
      '*': {}
  out11: { adapter: soap, wsdl: ./orders.wsdl, endpoint: "http://127.0.0.1:${port}/", version: "1.1" }
  out12: { adapter: soap, wsdl: ./orders.wsdl, endpoint: "http://127.0.0.1:${port}/", version: "1.2" }
  bare: { adapter: soap, wsdl: ./no-action.wsdl, endpoint: "http://127.0.0.1:${port}/", version: "1.1" }
routes:
  - { when: "channel in ['out11']", backend: out11 }
  - { when: "channel = 'out12'", backend: out12 }
  - { when: "channel = 'bare'", backend: bare }
  - { backend: business }
`
}

interface Around {
  readonly version?: Version
  readonly header?: string
  /** Attributes of the Envelope. */
  readonly attributes?: string
}

export function envelope(
  body: string,
  { version = '1.1', header = '', attributes = '' }: Around = {},
): string {
  const uri = version === '1.1' ? E11 : E12
  const head = header === '' ? '' : `<s:Header>${header}</s:Header>`
  return `<s:Envelope xmlns:s="${uri}" ${attributes}>${head}<s:Body>${body}</s:Body></s:Envelope>`
}

export function getTicket(id = '1'): string {
  return `<m:GetTicket xmlns:m="${ORDERS}"><m:ticketId>${id}</m:ticketId></m:GetTicket>`
}

/** Its text comes back as `value:…`, or what else it was. */
export function addComment(comment: string): string {
  return `<m:AddComment xmlns:m="${ORDERS}" xmlns:i="${XSI}"><m:ticketId>1</m:ticketId>${comment}</m:AddComment>`
}

export const text = (value: string): string => addComment(`<m:comment>${value}</m:comment>`)

const scalars = {
  longVal: '1',
  intVal: '1',
  decVal: '1',
  moneyVal: '1',
  dblVal: '1',
  boolVal: 'true',
  dtVal: '2024-02-29T00:00:00Z',
  dateVal: '2024-02-29',
  binVal: 'AAEC',
  enumVal: 'NEW',
  code: 'c',
  text: 't',
  wsText: 'w',
  emptyText: '',
}

/** A value of each kind to echo, some of them said. */
export function echo(said: Partial<typeof scalars>): string {
  const all = Object.entries({ ...scalars, ...said }).map(
    ([name, value]) => `<m:${name}>${value}</m:${name}>`,
  )
  return `<m:EchoScalars xmlns:m="${ORDERS}"><m:in>${all.join('')}</m:in></m:EchoScalars>`
}

/** Of MTOM the root part, which comes first. */
const ENVELOPE = /<(?:\?xml|(?:\w+:)?Envelope)\b[^]*Envelope>/u

/** The Body's child of an answer. */
export function entryOf({ body }: Pick<Answer, 'body'>): XmlElement {
  const root = readXmlText(ENVELOPE.exec(body)?.[0] ?? body)
  const found = childElement(root, root.uri, 'Body')
  const [entry] = found === undefined ? [] : childElements(found)
  if (entry === undefined) throw new Error(`the Body is empty: ${body}`)
  return entry
}

/** The first element of this name anywhere below. */
export function find(at: XmlElement, local: string): XmlElement | undefined {
  if (at.local === local) return at
  return childElements(at)
    .map((child) => find(child, local))
    .find((found) => found !== undefined)
}

/** The text of an element of an answer, wherever it is. */
export function valueIn(answered: Pick<Answer, 'body'>, local: string): string | undefined {
  const found = find(entryOf(answered), local)
  return found === undefined ? undefined : textOf(found)
}

/** `1.1 Client 500`: version, code and status of a fault; `none 200` if it is none. */
export function faultIn(answered: Answer): string {
  if (!answered.body.includes('Envelope')) return `none ${answered.status}`
  const entry = entryOf(answered)
  const version = entry.uri === E12 ? '1.2' : '1.1'
  const value = find(entry, version === '1.1' ? 'faultcode' : 'Value')
  if (entry.local !== 'Fault' || value === undefined) return `none ${answered.status}`
  const code = resolveQName(value, textOf(value))
  return `${version} ${code?.uri === entry.uri ? '' : `{${code?.uri}}`}${code?.local} ${answered.status}`
}

/** The caller's mistake, as each version says it (SOAP 1.1 §4.4.1, §6.2; SOAP 1.2 Part 2 table 20). */
export const CALLER = { '1.1': '1.1 Client 500', '1.2': '1.2 Sender 400' } as const
