// How a business system is asked in plain XML, or as an ASP.NET web service by GET and POST.
import { GatewayError } from 'dragoman'
import type { Answer, Json } from 'dragoman'
import { NOT_BUSINESS } from '../data/status.ts'
import { fromJson, toJson } from '../xml/bind.ts'
import { charsetLabel, decodeText } from '../xml/charset.ts'
import { readXml } from '../xml/read.ts'
import { childElement, textOf } from '../xml/tree.ts'
import type { XmlElement } from '../xml/tree.ts'
import { writeXml } from '../xml/write.ts'
import type { BackendConfig } from './config.ts'
import { isObject } from './contract.ts'
import type { Contract } from './contract.ts'
import type { Dialect, Outbound } from './dialect.ts'
import { writeForm } from './form.ts'
import type { Field } from './form.ts'
import { charsetOf, mediaType } from './http.ts'

/** A document whose root is the operation; the content of the root of the answer is the data. */
export function poxDialect(config: BackendConfig, contract: Contract): Dialect {
  const { charset, lists, types } = config
  return {
    request({ operation, params }): Outbound {
      const decl = contract.describe(operation)?.request
      const name = decl?.name ?? { uri: contract.namespace ?? '', local: operation }
      const root = fromJson(params, name, decl, { lists, types })
      return {
        method: 'POST',
        contentType: `text/xml; charset=${charsetLabel(charset)}`,
        body: writeXml(root, { charset, prefixes: new Map([[name.uri, '']]) }),
      }
    },
    answer(response, bytes) {
      if (response.ok)
        return bytes.byteLength === 0
          ? {}
          : { data: dataOf(rootOf(response, bytes, { config, contract }), config, contract) }
      return isBusiness(response.status)
        ? faultDocument(rootOf(response, bytes, { config, contract }))
        : undefined
    },
  }
}

/** Form fields; the answer is a document whose root is the type of the result. */
export function asmxDialect(config: BackendConfig, contract: Contract): Dialect {
  const { charset, dialect } = config
  const path = '/{operation}'
  return {
    request({ params }): Outbound {
      const form = writeForm(fieldsOf(params), charset)
      if (dialect === 'asmx-get') return { method: 'GET', path, query: form }
      return {
        method: 'POST',
        path,
        contentType:
          charset === 'utf-8'
            ? 'application/x-www-form-urlencoded'
            : `application/x-www-form-urlencoded; charset=${charsetLabel(charset)}`,
        body: new TextEncoder().encode(form),
      }
    },
    answer(response, bytes) {
      if (response.ok)
        return bytes.byteLength === 0
          ? {}
          : { data: dataOf(rootOf(response, bytes, { config, contract }), config, contract) }
      return response.status === 500 ? soapException(response, bytes, config) : undefined
    },
  }
}

interface Reading {
  readonly config: BackendConfig
  readonly contract: Contract
}

/** Throws `DECODE_FAILED`, also for a page of HTML. XML under the type of HTML, as old PHP sends it, is XML. */
function rootOf(response: Response, bytes: Uint8Array, { config, contract }: Reading): XmlElement {
  const { type, charset: stated } = mediaType(response.headers.get('content-type'))
  const { root } = readXml(bytes, {
    charset: charsetOf(bytes, stated, config.charset),
    joinSurrogateReferences: true,
    processingInstructions: 'ignore',
  })
  const isDeclared = contract.schemas?.element(root) !== undefined
  if (root.local.toLowerCase() === 'html' && !isDeclared && (PAGES.has(type) || isPage(root)))
    throw new GatewayError('DECODE_FAILED', 'it is a page of HTML')
  return root
}
const PAGES = new Set(['text/html', 'application/xhtml+xml'])

/** Of an element called html that nothing declares, whatever the media type: the page of a login comes as XML too, and so does its text alone. */
function isPage({ uri, children }: XmlElement): boolean {
  if (uri !== '') return /^https?:\/\/www\.w3\.org\/.*html/i.test(uri)
  const elements = children.filter((child) => typeof child !== 'string')
  return elements.length === 0 || elements.some(({ local }) => OF_PAGES.test(local))
}
const OF_PAGES = /^(?:head|body|frameset|form|title|script|meta)$/i

function dataOf(root: XmlElement, { lists, types }: BackendConfig, contract: Contract): Json {
  return toJson(root, contract.schemas?.element(root), { lists, types, unknown: 'keep' })
}

function isBusiness(status: number): boolean {
  return status >= 400 && status < 500 && !NOT_BUSINESS.has(status)
}

/** `<fault><code/><message/><detail/></fault>`, as our own channel says it; with `retryable` it is no fault of the business. */
function faultDocument(root: XmlElement): Answer | undefined {
  const code = childElement(root, root.uri, 'code')
  const message = childElement(root, root.uri, 'message')
  const isOurs = childElement(root, root.uri, 'retryable') === undefined
  if (root.local !== 'fault' || code === undefined || message === undefined || !isOurs) return undefined
  const detail = childElement(root, root.uri, 'detail')
  return {
    fault: {
      code: textOf(code),
      message: textOf(message),
      ...(detail !== undefined && { detail: toJson(detail, undefined) }),
    },
  }
}

/** What a service throws on purpose; every other exception is a breakage of its. */
function soapException(
  response: Response,
  bytes: Uint8Array,
  { charset }: BackendConfig,
): Answer | undefined {
  const type = mediaType(response.headers.get('content-type'))
  if (type.type !== 'text/plain') return undefined
  const text = decodeText(bytes, type.charset ?? charset)
  const message = /^System\.Web\.Services\.Protocols\.SoapException: (.*?)(?: ---> |\r?\n|$)/s.exec(text)?.[1]
  return message === undefined ? undefined : { fault: { code: 'Server', message } }
}

/** Parameters as fields: single values, and lists of such as repeated fields; null and absent ones are left out. */
function fieldsOf(params: Json): Field[] {
  if (params === null || params === '') return []
  if (!isObject(params)) throw unfit('the parameters')
  return Object.entries(params).flatMap(([name, value]) => valuesOf(name, value))
}

function valuesOf(name: string, value: Json): Field[] {
  if (value === null) return []
  if (Array.isArray(value)) return value.flatMap((item: Json) => valuesOf(name, item))
  if (typeof value !== 'object') return [[name, String(value)]]
  // A list inside an element of its own, as ASP.NET's schemas have it.
  const [only, ...more] = Object.values(value)
  if (Array.isArray(only) && more.length === 0) return only.flatMap((item: Json) => valuesOf(name, item))
  throw unfit(`parameter "${name}"`)
}

function unfit(what: string): GatewayError {
  return new GatewayError('ENCODE_FAILED', `${what} cannot be form fields: single values and lists can`)
}
