// The SOAP channel: one path for both versions, its WSDL, and everything HTTP has to say before an envelope is read.
import { GatewayError } from 'dragoman'
import type { Channel, ChannelHost, HttpHandler, HttpRequest, HttpResponse, Scope } from 'dragoman'
import { isCrossSite } from '../data/cross-site.ts'
import { Description } from '../data/description.ts'
import { compileSchemas } from '../xml/schema.ts'
import type { ChannelConfig } from './config.ts'
import { mediaType } from './content.ts'
import { openContract, wsdlContract, type Contract } from './contract.ts'
import { loadDocuments, type Documents } from './documents.ts'
import { contentType, makeEnvelope } from './envelope.ts'
import { exchange } from './exchange.ts'
import { prefixes } from './names.ts'
import { askedDocument, publish } from './publish.ts'
import type { Service } from './respond.ts'
import { channelGuard, namesCallers } from './security.ts'
import { lackOfInput, readWsdl, refuseStrangers, type WsdlOperation } from './wsdl.ts'
import { writeXmlText } from '../xml/write.ts'

/** Origins whose published documents are kept; callers choose the Host header, so there is a bound. */
const maxOrigins = 16

/** What a channel answers with once its description is there. */
interface Described {
  readonly contract: Contract
  readonly published: Publisher | undefined
}

/** Makes a SOAP channel. It pushes nothing: answers go back on the caller's connection. */
export function createChannel(config: ChannelConfig, scope: Scope): Channel {
  let host: ChannelHost | undefined
  let description: Description<Described> | undefined
  return {
    async start(given, signal) {
      host = given
      const here = new Description<Described>({
        what: `channel "${scope.id}": its description`,
        scope,
        read: (fetch) => describe(config, { fetch, scope, host: given }),
      })
      description = here
      const guard = config.security === undefined ? undefined : await channelGuard(config.security, scope)
      await here.begin(signal)
      const answer: HttpHandler = async (request, gone) => {
        const described = here.value ?? (await here.wanted(gone))
        if (described === undefined) return notYet()
        const { contract, published } = described
        return handle({ config, scope, host: given, contract, guard }, published, { request, gone })
      }
      host.serve(config.path, answer, { identifiesLater: namesCallers(config.security) })
    },
    hint(origin) {
      const contract = description?.value?.contract
      if (contract === undefined || host === undefined) return undefined
      const command = curl(`${origin}${config.path}`, contract, host) // throws where an example of the config does not fit
      return config.security === undefined ? command : undefined // a token or a signature is the client's to make
    },
    async [Symbol.asyncDispose]() {
      description?.end()
      host = undefined
    },
  }
}

interface Reading {
  readonly fetch: Scope['fetch']
  readonly scope: Scope
  readonly host: ChannelHost
}

async function describe(config: ChannelConfig, { fetch, scope, host }: Reading): Promise<Described> {
  const { imports, path, wsdl, schema } = config
  const location = wsdl ?? schema
  const documents = location === undefined ? undefined : await loadDocuments(location, { fetch, imports })
  return {
    contract: makeContract(config, { documents, scope, host }),
    published: wsdl === undefined ? undefined : publisher(documents, path),
  }
}

interface Around extends Omit<Reading, 'fetch'> {
  readonly documents: Documents | undefined
}

function makeContract(config: ChannelConfig, { documents, scope, host }: Around): Contract {
  const { service, port, lists, types } = config
  if (config.wsdl === undefined || documents === undefined) {
    if (Object.keys(host.operations).length === 0)
      throw new GatewayError(
        'DECODE_FAILED',
        `channel "${scope.id}": without a wsdl, operations must say what is accepted`,
      )
    const schemas =
      documents === undefined ? undefined : compileSchemas(documents.schemas, { resolve: documents.resolve })
    return openContract({ lists, types, ...(schemas === undefined ? {} : { schemas }) })
  }
  const model = readWsdl(documents, {
    ...(service === undefined ? {} : { service }),
    ...(port === undefined ? {} : { port }),
  })
  for (const why of model.left) scope.log.warn(`not served: ${why}`)
  const offered = model.operations.filter(({ name }) => isOffered(host, name))
  for (const notice of new Set(offered.flatMap(noticesOf))) scope.log.warn(notice)
  refuseStrangers(model, Object.keys(host.operations), (problem) => scope.log.warn(problem))
  return wsdlContract(model)
}

function isOffered({ operations }: ChannelHost, name: string): boolean {
  return Object.keys(operations).length === 0 || Object.hasOwn(operations, name)
}

/** What an operation that is served does not do. */
function noticesOf(operation: WsdlOperation): string[] {
  const lack = lackOfInput(operation)
  return lack === undefined ? [] : [`${lack}: a request that brings it is refused`]
}

type Publisher = (origin: string, name?: string) => Uint8Array | undefined

function publisher(documents: Documents | undefined, path: string): Publisher | undefined {
  if (documents === undefined) return undefined
  const cache = new Map<string, Uint8Array | undefined>()
  return (origin, name) => {
    const key = `${origin} ${name ?? ''}`
    if (cache.has(key)) return cache.get(key)
    const bytes = publish(documents, `${origin}${path}`, name)
    if (bytes === undefined) return undefined
    if (cache.size >= maxOrigins * documents.all.length) cache.clear()
    cache.set(key, bytes)
    return bytes
  }
}

interface Incoming {
  readonly request: HttpRequest
  readonly gone: AbortSignal
}

/** Refusals before the envelope is read: their status and one text line (DESIGN §16 "SOAP"). */
async function handle(
  service: Service,
  published: Publisher | undefined,
  { request, gone }: Incoming,
): Promise<HttpResponse> {
  const { config } = service
  if (request.path !== config.path && withoutSlash(request.path) !== withoutSlash(config.path))
    return line(404, 'nothing is served here')
  if (request.method === 'GET' || request.method === 'HEAD') return show(request, published)
  // WS-I BP 1.1 R1132, R1114
  if (request.method !== 'POST') return notAllowed(published)
  if (isCrossSite(request)) return line(403, 'a page of another site may not ask for operations here')
  const { type } = mediaType(request.headers['content-type'])
  // WS-I BP 1.1 R1115, SOAP 1.2 Part 2 §7.5.2; no type at all is borne
  if (!mediaTypes.has(type) && (type !== 'multipart/related' || config.mtom === 'off'))
    return line(415, `media type "${type}" is not text/xml (SOAP 1.1) or application/soap+xml (SOAP 1.2)`)
  try {
    return await exchange(service, request, gone)
  } catch (error) {
    const refusal = GatewayError.from(error)
    if (refusal.code === 'INTERNAL') service.scope.log.error('a SOAP request failed', { error })
    return line(refusal.status, refusal.message)
  }
}

const mediaTypes: ReadonlySet<string> = new Set(['', 'text/xml', 'application/soap+xml'])

function withoutSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path
}

/** Throws `AUTH_FAILED`: WS-Security is a message's, and who asks for the description by GET has none. */
function show(request: HttpRequest, published: Publisher | undefined): HttpResponse {
  const { role, id } = request.identity
  if (role === 'customer' && id === '')
    throw new GatewayError('AUTH_FAILED', 'a bearer token or an API key is needed')
  const asked = askedDocument(request.query)
  if (asked === undefined) return notAllowed(published)
  const bytes = published?.(request.origin, asked.name)
  if (bytes === undefined) return line(404, 'there is no such document')
  return {
    status: 200,
    headers: { 'content-type': 'text/xml; charset=utf-8' },
    body: bytes,
  }
}

function notAllowed(published: Publisher | undefined): HttpResponse {
  const answer = line(
    405,
    published === undefined ? 'send SOAP by POST' : 'send SOAP by POST; the description is at ?wsdl',
  )
  return { ...answer, headers: { ...answer.headers, allow: 'POST' } }
}

function notYet(): HttpResponse {
  const answer = line(503, 'the description of this service is not there yet')
  return { ...answer, headers: { ...answer.headers, 'retry-after': '1' } }
}

function line(status: number, text: string): HttpResponse {
  const body = new TextEncoder().encode(`${text}\n`)
  return {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'content-length': String(body.length) },
    body,
  }
}

/** One command to paste: the first request operation that has an example, else a sample by the schema. */
function curl(address: string, contract: Contract, host: ChannelHost): string | undefined {
  const requests = Object.entries(host.operations).filter(([, { kind }]) => kind === 'request')
  const [name, operation] = requests.find(([, { example }]) => example !== undefined) ?? requests[0] ?? []
  const example = contract.example(name, operation?.example)
  if (example === undefined) return undefined
  const envelope = makeEnvelope({
    version: '1.1',
    encoded: example.encoded,
    ...(example.body === undefined ? {} : { body: example.body }),
  })
  const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`
  return [
    `curl -s ${quoted(address)}`,
    `-H ${quoted(`Content-Type: ${contentType('1.1')}`)}`,
    `-H ${quoted(`SOAPAction: "${example.soapAction}"`)}`,
    `-d ${quoted(writeXmlText(envelope, { prefixes }))}`,
  ].join(' ')
}
