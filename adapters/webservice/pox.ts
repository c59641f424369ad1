// Plain XML over HTTP: the root element is the operation, the answer a document of the same kind.
import { GatewayError } from 'dragoman'
import type { Fault, HttpResponse, Json, Reply } from 'dragoman'
import { fromJson, toJson } from '../xml/bind.ts'
import { charsetLabel } from '../xml/charset.ts'
import { attributeOf, childElements, element, withParts } from '../xml/tree.ts'
import type { XmlElement, XmlName } from '../xml/tree.ts'
import { writeXml } from '../xml/write.ts'
import { wrapped } from './contract.ts'
import { freshness, refusalHeaders } from './http.ts'
import { isOffered, perform } from './perform.ts'
import type { Call, Outcome, Service } from './perform.ts'
import { printable } from './printable.ts'

export interface PoxCall extends Call {
  readonly root: XmlElement
  /** The path's segment below the channel's path: the operation where the root is none. */
  readonly segment: string | undefined
  /** `text/xml` or what else the caller called it. */
  readonly mediaType: string
}

/** How the answer to a document is to look. */
export interface AnswerStyle {
  readonly charset: string
  readonly mediaType: string
  readonly namespace: string
}

/** Answers one document. Throws `GatewayError`. */
export async function answerPox(service: Service, call: PoxCall): Promise<HttpResponse> {
  const { config, contract } = service
  const { root, segment } = call
  const operation =
    segment !== undefined && !isOffered(service, root.local) && isOffered(service, segment)
      ? segment
      : root.local
  const decl = contract.declared(root)
  const data = toJson(root, decl, { lists: config.lists, types: config.types })
  const outcome = await perform(service, call, { operation, data })
  const style = styleOf(service, call)
  const { accepted, fault } = outcome
  if (fault !== undefined)
    return {
      ...document(faultElement(fault, style.namespace), style, { status: faultStatus(accepted.reply) }),
      carries: accepted.id,
    }
  const name = { uri: style.namespace, local: `${operation}Response` }
  const answer = marked(responseElement(service, name, { operation, outcome, root }), accepted.reply)
  return {
    ...document(answer, style, {
      status: outcome.isPending ? 202 : 200,
      headers: freshness(accepted, service.scope.now()),
    }),
    ...(accepted.reply !== undefined && { carries: accepted.id }),
  }
}

/** The namespace of answers: the configured one, else the caller's. */
export function styleOf({ contract }: Service, { charset, mediaType, root }: PoxCall): AnswerStyle {
  return { charset, mediaType, namespace: contract.namespace ?? root.uri }
}

interface Answering {
  readonly operation: string
  readonly outcome: Outcome
  readonly root: XmlElement
}

function responseElement(
  { config, contract, scope }: Service,
  name: XmlName,
  { operation, outcome, root }: Answering,
): XmlElement {
  const { value } = outcome
  const described = contract.describe(operation)
  const decl = described?.response
  if (decl === undefined || described === undefined) {
    const [child] = childElements(root)
    // A caller who leaves children without a namespace gets them so.
    const childNamespace = child?.uri === '' && root.uri !== '' ? '' : name.uri
    return value === undefined
      ? element(name.uri, name.local)
      : fromJson(value, name, undefined, { lists: config.lists, types: config.types, childNamespace })
  }
  return fromJson(value === undefined ? {} : wrapped(value, described), decl.name, decl, {
    ...(outcome.isAcknowledgement && { missing: 'keep' }),
    dropped: (path) => scope.log.debug('left out of an answer: the schema does not have it', { path }),
  })
}

/** DESIGN §7: an answer that is not fresh says so in the document too. */
export function marked(root: XmlElement, reply: Reply | undefined): XmlElement {
  if (reply?.stale !== true) return root
  const others = root.attributes.filter(({ uri, local }) => uri !== '' || local !== 'stale')
  return withParts(root, { attributes: [...others, attributeOf('stale', 'true')] })
}

/** Any error as a document of its own kind, with the status of the table (DESIGN §16). */
export function poxError(error: GatewayError, style: AnswerStyle): HttpResponse {
  const root = element(
    style.namespace,
    'fault',
    [],
    [
      element(style.namespace, 'code', [], [error.code]),
      element(style.namespace, 'message', [], [printable(error.message)]),
      element(style.namespace, 'retryable', [], [String(error.retry)]),
      ...detailElements(error.detail, style.namespace),
    ],
  )
  return document(root, style, { status: error.status, headers: refusalHeaders(error) })
}

function faultElement({ code, message, detail }: Fault, uri: string): XmlElement {
  return element(
    uri,
    'fault',
    [],
    [
      element(uri, 'code', [], [printable(code)]),
      element(uri, 'message', [], [printable(message)]),
      ...detailElements(detail, uri),
    ],
  )
}

/** The detail as elements; as its JSON text where a member's name cannot be one. */
function detailElements(detail: Json | undefined, uri: string): XmlElement[] {
  if (detail === undefined) return []
  const name = { uri, local: 'detail' }
  try {
    const made = fromJson(detail, name, undefined)
    writeXml(made)
    return [made]
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'ENCODE_FAILED')
      return [element(uri, 'detail', [], [printable(JSON.stringify(detail))])]
    throw error
  }
}

// Statuses that speak of the caller's request to us must not come from behind (RFC 9110 §15.5).
const ours = new Set([401, 403, 405, 406, 407, 408, 411, 413, 414, 415, 417, 421, 425, 426, 428, 429, 431])

/** 422, or the 4xx the business system's own protocol gave its no. */
function faultStatus(reply: Reply | undefined): number {
  const status = Number(reply?.metadata?.['http:status'])
  return Number.isInteger(status) && status >= 400 && status < 500 && !ours.has(status) ? status : 422
}

interface Head {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
}

function document(root: XmlElement, style: AnswerStyle, { status, headers = {} }: Head): HttpResponse {
  const { charset, mediaType } = style
  return {
    status,
    headers: {
      'content-type': `${mediaType}; charset=${charsetLabel(charset)}`,
      'cache-control': 'no-store',
      ...headers,
    },
    body: writeXml(root, { charset, prefixes: new Map([[root.uri, '']]) }),
  }
}
