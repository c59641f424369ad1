// The channel: function modules that are called here, and IDocs that are posted here, on one path.
import { GatewayError } from 'dragoman'
import type {
  Accepted,
  Channel,
  ChannelHost,
  Component,
  Fault,
  HttpRequest,
  HttpResponse,
  Json,
  Scope,
} from 'dragoman'
import { channelConfig } from './config.ts'
import type { CalledConfig, ChannelConfig } from './config.ts'
import { idocsIn } from './idoc.ts'
import { answerXml, contentOf, faultXml, isEnvelope } from './rfc.ts'
import { membersIn } from './values.ts'
import type { Members, Shape } from './values.ts'
import { readXml } from './xml.ts'
import type { Element } from './xml.ts'

export const channel: Component<Channel, ChannelConfig> = {
  config: channelConfig,
  create: (config, scope) => createChannel(config, scope),
}

interface Serving {
  readonly config: ChannelConfig
  readonly scope: Scope
  readonly host: ChannelHost
  readonly signal: AbortSignal
}

function createChannel(config: ChannelConfig, scope: Scope): Channel {
  return {
    async start(host) {
      host.serve(config.path, (request, signal) => answer(request, { config, scope, host, signal }))
    },
    hint: (origin) =>
      [
        `curl -s '${origin}${config.path}' -H 'content-type: text/xml' -d '<e:Envelope`,
        `xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><r:RFC_PING`,
        `xmlns:r="urn:sap-com:document:sap:rfc:functions"/></e:Body></e:Envelope>'`,
      ].join(' '),
    async [Symbol.asyncDispose]() {
      // nothing is held
    },
  }
}

async function answer(request: HttpRequest, serving: Serving): Promise<HttpResponse> {
  const { path } = serving.config
  if (request.path !== path) return line(404, `SAP's documents are taken at ${path}`)
  if (request.method !== 'POST') return line(405, 'send SOAP or an IDoc by POST', { allow: 'POST' })
  let root: Element
  try {
    root = readXml(request.body, /charset\s*=\s*"?([\w-]+)/i.exec(request.headers['content-type'] ?? '')?.[1])
  } catch (error) {
    return line(400, decodeError(error).message)
  }
  return isEnvelope(root) ? answerCall(root, request, serving) : takeIdocs(root, request, serving)
}

// ─── Function modules ────────────────────────────────────────────────────────────────────────────────────────────────

async function answerCall(root: Element, request: HttpRequest, serving: Serving): Promise<HttpResponse> {
  try {
    const content = readable(() => contentOf(root))
    if (content.kind === 'fault') throw new GatewayError('DECODE_FAILED', 'a fault is no call')
    const { name } = content
    const { functions, fields, dates } = serving.config
    const called: CalledConfig = (Object.hasOwn(functions, name) ? functions[name] : undefined) ?? {
      tables: [],
      fields: {},
    }
    const shape: Shape = {
      types: { ...fields, ...called.fields },
      tables: called.tables,
      style: { dates, minus: 'before' },
    }
    const data = readable(() => membersIn(content.element, shape))
    const accepted = await handIn(name, data, { request, serving, kind: 'request' })
    return replied(name, accepted, { called, shape })
  } catch (error) {
    return refusal(error, serving.scope)
  }
}

interface Replying {
  readonly called: CalledConfig
  readonly shape: Shape
}

function replied(name: string, { id, reply }: Accepted, { called, shape }: Replying): HttpResponse {
  const fault = reply?.fault
  if (fault !== undefined && called.return === undefined)
    return xml(500, faultXml({ side: 'Server', ...fault, exception: name }), { carries: id })
  const members = fault === undefined ? dataOf(name, reply?.data) : returned(fault, called)
  const empty = called.tables.filter((table) => !table.includes('.') && !Object.hasOwn(members, table))
  const all: Members = {
    ...members,
    ...Object.fromEntries(empty.map((table): [string, Json] => [table, []])),
  }
  try {
    return xml(200, answerXml(name, all, shape), { carries: id })
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new GatewayError('ENCODE_FAILED', `the answer of ${name} cannot be written: ${error.message}`, {
      cause: error,
    })
  }
}

function dataOf(name: string, data: Json | undefined): Members {
  if (data === undefined || data === null) return {}
  if (typeof data === 'object' && !Array.isArray(data)) return data as Members // an object that is no array
  throw new GatewayError('ENCODE_FAILED', `the answer of ${name} is no object with its parameters`)
}

/** As BAPIs say it: BAPIRET2, whose message is 220 characters. */
function returned({ code, message }: Fault, called: CalledConfig): Members {
  const [, id = '', number = '000'] = /^(.+?)(\d{3})$/.exec(code) ?? []
  const row = { TYPE: 'E', ID: (id || code).slice(0, 20), NUMBER: number, MESSAGE: message.slice(0, 220) }
  return { RETURN: called.return === 'table' ? [row] : row }
}

function refusal(thrown: unknown, { log }: Scope): HttpResponse {
  const error = GatewayError.from(thrown)
  if (error.code === 'INTERNAL') log.error('a call could not be answered', { error: thrown })
  const side = error.side === 'caller' ? 'Client' : 'Server'
  return xml(500, faultXml({ side, code: error.code, message: error.message }), { headers: later(error) })
}

// ─── IDocs ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Answers 200 when every IDoc of the document is stored: SAP sends it again otherwise, and what was stored is known. */
async function takeIdocs(root: Element, request: HttpRequest, serving: Serving): Promise<HttpResponse> {
  const taken: string[] = []
  try {
    const idocs = readable(() => idocsIn(root, serving.config.fields))
    for (const { type, id, data } of idocs) {
      const { reply } = await handIn(type, data, {
        request,
        serving,
        kind: 'event',
        externalId: id,
        isOne: idocs.length === 1,
      })
      if (reply?.fault !== undefined)
        return line(422, `IDoc ${id}: ${reply.fault.code}: ${reply.fault.message}`)
      taken.push(id)
    }
    return line(200, `taken: ${taken.join(', ')}`)
  } catch (thrown) {
    const error = GatewayError.from(thrown)
    if (error.code === 'INTERNAL') serving.scope.log.error('an IDoc could not be taken', { error: thrown })
    return line(error.status, error.message, later(error))
  }
}

// ─── Both ────────────────────────────────────────────────────────────────────────────────────────────────────────────

interface HandIn {
  readonly request: HttpRequest
  readonly serving: Serving
  readonly kind: 'request' | 'event'
  readonly externalId?: string
  /** Not one of several in a document, whose bytes are the others' too. */
  readonly isOne?: boolean
}

async function handIn(
  operation: string,
  data: Members,
  { request, serving, kind, externalId, isOne = true }: HandIn,
): Promise<Accepted> {
  const { host, signal } = serving
  const draft = await host.draft(operation, data, {
    kind,
    ...(externalId !== undefined && { externalId }),
    ...(isOne && { raw: { mediaType: request.headers['content-type'] ?? 'text/xml', bytes: request.body } }),
  })
  if (draft === undefined) throw new GatewayError('NO_ROUTE', `${operation} is not offered here`)
  return host.accept(draft, { identity: request.identity, signal })
}

function readable<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw decodeError(error)
  }
}

function decodeError(error: unknown): GatewayError {
  return error instanceof RangeError
    ? new GatewayError('DECODE_FAILED', error.message, { cause: error })
    : GatewayError.from(error)
}

function later({ retryAfterMs }: GatewayError): Readonly<Record<string, string>> {
  return retryAfterMs === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) }
}

function xml(
  status: number,
  body: string,
  {
    headers = {},
    ...rest
  }: { readonly headers?: Readonly<Record<string, string>>; readonly carries?: string },
): HttpResponse {
  return { status, headers: { 'content-type': 'text/xml; charset=utf-8', ...headers }, body, ...rest }
}

function line(status: number, text: string, headers: Readonly<Record<string, string>> = {}): HttpResponse {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8', ...headers }, body: `${text}\n` }
}
