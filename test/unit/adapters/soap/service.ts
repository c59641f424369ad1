// A started SOAP channel before the business system of the captures, for tests.
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Accepted, Channel, HttpRequest, HttpResponse, Identity, Reply } from 'dragoman'
import { testHost, testScope, type ScopeOptions, type TestHost } from 'dragoman/testing'
import adapter from '../../../../adapters/soap/index.ts'
import { readXml } from '../../../../adapters/xml/read.ts'
import { writeXmlText } from '../../../../adapters/xml/write.ts'
import { fixtures } from './corpus.ts'
import { answer } from './semantics.ts'

export interface Running extends AsyncDisposable {
  readonly host: TestHost
  readonly channel: Channel
  /** Whom each request was accepted for. */
  readonly identities: readonly (Identity | undefined)[]
  /** One POST; the path is the channel's. */
  post(
    body: string | Uint8Array,
    headers?: Record<string, string>,
    rest?: Partial<HttpRequest>,
  ): Promise<HttpResponse>
  handle(request: Partial<HttpRequest>): Promise<HttpResponse>
}

export interface Setting {
  readonly config?: Readonly<Record<string, unknown>>
  readonly scope?: ScopeOptions
  readonly operations?: TestHost['operations']
  /** Hears what the channel warns of. */
  readonly warn?: (message: string) => void
  /** Instead of the business system of the captures. */
  readonly reply?: (accepted: Accepted) => Reply | undefined
}

export const path = '/orders'

/** A WSDL of the fixtures, by its name there. */
export function wsdl(name: string): string {
  return new URL(`wsdl/${name}.wsdl`, fixtures).pathname
}

/** Starts a channel over `orders.wsdl`, or what `config` says. */
export async function serve({ config, scope, operations, warn, reply }: Setting = {}): Promise<Running> {
  const component = adapter.channel
  if (component === undefined) throw new Error('the adapter has no channel')
  const checked = await component.config['~standard'].validate({ path, wsdl: wsdl('orders'), ...config })
  if (checked.issues !== undefined) throw new Error(checked.issues.map(({ message }) => message).join('; '))
  const quiet = testScope(scope)
  const log = { ...quiet.log, ...(warn !== undefined && { warn }) }
  const channel = component.create(checked.value, { ...quiet, log })
  const host = testHost(operations)
  const identities: (Identity | undefined)[] = []
  const business: TestHost = {
    ...host,
    async accept(draft, options) {
      identities.push(options?.identity)
      const accepted = await host.accept(draft, options)
      if (accepted.reply !== undefined) return accepted
      const given =
        reply === undefined
          ? { ...answer(draft.type, draft.data, draft.metadata), origin: 'backend' as const }
          : reply(accepted)
      return given === undefined ? accepted : { ...accepted, reply: given }
    },
  }
  await channel.start(business, new AbortController().signal)
  const handle = (request: Partial<HttpRequest>): Promise<HttpResponse> => host.handle({ path, ...request })
  return {
    host,
    channel,
    identities,
    handle,
    post: (body, headers = {}, rest = {}) =>
      handle({
        headers: { 'content-type': 'text/xml; charset=utf-8', ...headers },
        body: typeof body === 'string' ? new TextEncoder().encode(body) : body,
        ...rest,
      }),
    async [Symbol.asyncDispose]() {
      await channel[Symbol.asyncDispose]()
    },
  }
}

export const soap11 = 'http://schemas.xmlsoap.org/soap/envelope/'
export const soap12 = 'http://www.w3.org/2003/05/soap-envelope'
export const orders = 'urn:example:orders:v1'

/** An envelope around a body, and header blocks. */
export function envelope(
  body: string,
  { uri = soap11, header = '' }: { uri?: string; header?: string } = {},
): string {
  const head = header === '' ? '' : `<s:Header>${header}</s:Header>`
  return `<s:Envelope xmlns:s="${uri}">${head}<s:Body>${body}</s:Body></s:Envelope>`
}

export function getTicket(id = '1'): string {
  return `<m:GetTicket xmlns:m="${orders}"><m:ticketId>${id}</m:ticketId></m:GetTicket>`
}

/** The answer's bytes. */
export function bytesOf({ body }: HttpResponse): Uint8Array {
  return body instanceof Uint8Array ? body : new Uint8Array(0)
}

/** The answer's text. */
export function bodyText(response: HttpResponse): string {
  return new TextDecoder().decode(bytesOf(response))
}

/** The answer without what may differ between two writers: prefixes and declarations of its root's namespaces. */
export function normal(response: HttpResponse): string {
  return response.body instanceof Uint8Array ? writeXmlText(readXml(response.body).root) : ''
}

/** Writes files into a folder of their own and returns its path. */
export async function files(contents: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'soap-'))
  for (const [name, content] of Object.entries(contents)) await writeFile(join(folder, name), content)
  return folder
}

export async function fixtureText(name: string): Promise<string> {
  return readFile(new URL(name, fixtures), 'utf8')
}

/** The SOAPAction header of an operation of orders.wsdl. */
export const action = (name: string): Record<string, string> => ({ soapaction: `"${orders}/${name}"` })

/** Posts, and answers what a test looks at. */
export async function ask(running: Running, body: string, headers: Record<string, string> = {}) {
  const response = await running.post(body, headers)
  return {
    status: response.status,
    text: bodyText(response),
    drafts: running.host.drafts.map(({ type }) => type),
  }
}
