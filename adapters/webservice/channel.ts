// The webservice channel: plain XML, ASMX GET and POST, and XML-RPC on one path, told apart by what arrives.
import { GatewayError } from 'dragoman'
import type { Channel, HttpRequest, HttpResponse, Scope } from 'dragoman'
import { SOAP11_NS, SOAP12_NS } from '../xml/names.ts'
import { readXml } from '../xml/read.ts'
import type { XmlDocument } from '../xml/read.ts'
import { isCrossSite } from '../data/cross-site.ts'
import { Description } from '../data/description.ts'
import { asmxError, AsmxProblem } from './asmx-errors.ts'
import { answerAsmx } from './asmx.ts'
import type { ChannelConfig } from './config.ts'
import { loadContract, makeContract } from './contract.ts'
import { helpPage } from './help.ts'
import { charsetOf, isSilent, isXml, knownCharset, mediaType } from './http.ts'
import type { MediaType } from './http.ts'
import { offered } from './perform.ts'
import type { Service } from './perform.ts'
import { answerPox, poxError, styleOf } from './pox.ts'
import { poxSample } from './samples.ts'
import { isPlain } from './xmlrpc-elements.ts'
import { answerXmlRpc, notWellFormed } from './xmlrpc.ts'

/** Makes a webservice channel. It pushes nothing: answers go back on the caller's connection. */
export function createChannel(config: ChannelConfig, scope: Scope): Channel {
  const base = config.path.replace(/\/$/, '')
  let description: Description<Service> | undefined
  return {
    async start(host, signal) {
      const here = new Description<Service>({
        what: `channel "${scope.id}": its schema`,
        scope,
        read: async (fetch) => ({ config, scope, host, contract: await loadContract(config, { fetch }) }),
      })
      description = here
      await here.begin(signal)
      const waiting: Service = {
        config,
        scope,
        host: { ...host, draft: notYet },
        contract: makeContract(config.namespace, undefined),
      }
      for (const path of pathsOf(here.value ?? waiting, base))
        host.serve(path, async (request, gone) =>
          handle(here.value ?? (await here.wanted(gone)) ?? waiting, { request, gone, base }),
        )
    },
    hint(origin) {
      const service = description?.value
      return service === undefined ? undefined : hintOf(service, `${origin}${base}`)
    },
    async [Symbol.asyncDispose]() {
      description?.end()
    },
  }
}

/** Whatever dialect it was asked in says it in its own words. */
async function notYet(): Promise<never> {
  throw new GatewayError('OVERLOADED', 'the schema of this service is not there yet', {
    retryAfterMs: 1000,
    notExecuted: true,
  })
}

function pathsOf(service: Service, base: string): readonly string[] {
  if (service.config.serve === 'all') return [service.config.path]
  const names = offered(service)
  if (names === undefined)
    throw new GatewayError(
      'DECODE_FAILED',
      `channel "${service.scope.id}": "serve: operations" needs operations or a schema that names them`,
    )
  return [...names].filter((name) => !/[/\\]/.test(name)).map((name) => `${base}/${name}`)
}

function hintOf(service: Service, address: string): string | undefined {
  const { host, config } = service
  const requests = Object.entries(host.operations).filter(([, { kind }]) => kind === 'request')
  const [name] = requests.find(([, { example }]) => example !== undefined) ??
    requests[0] ?? [service.contract.operations[0]]
  if (name === undefined) return undefined
  return poxSample(service, name, config.serve === 'all' ? address : `${address}/${encodeURIComponent(name)}`)
}

interface Incoming {
  readonly request: HttpRequest
  readonly gone: AbortSignal
  /** The channel's path without a trailing slash. */
  readonly base: string
}

async function handle(service: Service, incoming: Incoming): Promise<HttpResponse> {
  const { request, base } = incoming
  const below = request.path.slice(base.length).replace(/^\//, '')
  if (below.includes('/')) return line(404, 'nothing is served here')
  const segment = below === '' ? undefined : below
  const carriesOut = segment !== undefined || request.method === 'POST'
  if (carriesOut && !service.config.crossSite && isCrossSite(request))
    return line(403, 'a page of another site may not ask for operations here (crossSite)')
  switch (request.method) {
    case 'GET':
    case 'HEAD':
      return got(service, incoming, segment)
    case 'POST':
      return posted(service, incoming, segment)
    default:
      return unrecognized(405, service.config)
  }
}

async function got(
  service: Service,
  { request, gone }: Incoming,
  segment: string | undefined,
): Promise<HttpResponse> {
  const { config } = service
  if (segment === undefined) {
    if (/^(?:wsdl|disco|schema)(?:=|&|$)/i.test(request.query))
      return line(404, 'there is no description here: a soap channel serves one')
    return config.page
      ? helpPage(service, request.origin, request.query)
      : line(404, 'nothing is served here')
  }
  // What a HEAD would do to the business system nobody could see (RFC 9110 §9.3.2).
  if (request.method === 'HEAD' || !config.get) return unrecognized(405, config, segment)
  const { charset } = config
  return answerAsmx(service, { request, signal: gone, charset, operation: segment })
}

async function posted(
  service: Service,
  incoming: Incoming,
  segment: string | undefined,
): Promise<HttpResponse> {
  const { request, gone } = incoming
  const { config } = service
  const type = mediaType(request.headers['content-type'])
  const isForm = type.type === 'application/x-www-form-urlencoded'
  if (isForm || (type.type === '' && request.body.byteLength === 0)) {
    if (segment === undefined) return unrecognized(500, config)
    try {
      const charset = type.charset === undefined ? config.charset : knownCharset(type.charset)
      return await answerAsmx(service, { request, signal: gone, charset, operation: segment })
    } catch (error) {
      return asmxError(error, config.charset)
    }
  }
  if (isXml(type) || (type.type === '' && isTag(request.body)))
    return answerXml(service, incoming, { type, segment })
  if (segment === undefined) return line(415, `media type "${type.type}" is not taken: send text/xml`)
  return asmxError(
    new AsmxProblem('System.InvalidOperationException', `Request format is invalid: ${type.type}.`),
    config.charset,
  )
}

interface XmlRequest {
  readonly type: MediaType
  readonly segment: string | undefined
}

async function answerXml(
  service: Service,
  { request, gone }: Incoming,
  { type, segment }: XmlRequest,
): Promise<HttpResponse> {
  const { config, scope } = service
  const style = {
    charset: config.charset,
    mediaType: answerType(type),
    namespace: service.contract.namespace ?? '',
  }
  let read: XmlDocument
  try {
    read = readXml(request.body, {
      charset: charsetOf(request.body, type.charset, config.charset),
      joinSurrogateReferences: true,
      processingInstructions: 'ignore',
    })
  } catch (error) {
    const refusal = GatewayError.from(error)
    return looksLikeXmlRpc(request.body) ? notWellFormed(refusal) : poxError(refusal, style)
  }
  const { root, charset } = read
  const call = { request, signal: gone, charset, root }
  if (isPlain(root, 'methodCall')) {
    const isUnknown = charset !== 'utf-8' && isSilent(request.body, type.charset)
    return answerXmlRpc(service, { ...call, charset: isUnknown ? undefined : charset })
  }
  const pox = { ...call, segment, mediaType: style.mediaType }
  try {
    if (root.local === 'Envelope' && (root.uri === SOAP11_NS || root.uri === SOAP12_NS))
      throw new GatewayError('DECODE_FAILED', 'this is a SOAP envelope: SOAP is not spoken at this address')
    return await answerPox(service, pox)
  } catch (error) {
    const refusal = GatewayError.from(error)
    if (refusal.code === 'INTERNAL' || refusal.code === 'ENCODE_FAILED')
      scope.log.error('a request was answered with a fault of ours', { error })
    return poxError(refusal, styleOf(service, pox))
  }
}

/** Callers of application/xml get it back. */
function answerType({ type }: MediaType): string {
  return type === 'text/xml' || type === '' ? 'text/xml' : 'application/xml'
}

/** A body that cannot be read still says whose it is. */
function looksLikeXmlRpc(body: Uint8Array): boolean {
  return Buffer.from(body.subarray(0, 1024)).toString('latin1').replaceAll('\0', '').includes('<methodCall')
}

function isTag(body: Uint8Array): boolean {
  return Buffer.from(body.subarray(0, 64)).toString('latin1').replaceAll('\0', '').includes('<')
}

/** What is neither: as the original's handler factory says it. */
function unrecognized(status: number, config: ChannelConfig, segment?: string): HttpResponse {
  const url =
    segment === undefined ? '' : ` for URL unexpectedly ending in '/${segment.replaceAll(/[^\w.-]/g, '_')}'`
  return {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      ...(status === 405 && { allow: config.get || segment === undefined ? 'GET, POST' : 'POST' }),
    },
    body: `<!DOCTYPE html>\n<title>Error ${status}</title>\n<h1>System.Web.HttpException</h1>\n<h2>Request format is unrecognized${url}.</h2>\n`,
  }
}

function line(status: number, text: string): HttpResponse {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: `${text}\n` }
}
