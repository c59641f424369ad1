// XML-RPC (xmlrpc.com/spec), with introspection and system.multicall.
import { GatewayError } from 'dragoman'
import type { HttpResponse, Json, Reply } from 'dragoman'
import { charsetLabel } from '../xml/charset.ts'
import type { XmlElement } from '../xml/tree.ts'
import { writeXml } from '../xml/write.ts'
import { isObject } from './contract.ts'
import { freshness, refusalHeaders } from './http.ts'
import { perform } from './perform.ts'
import type { Call, Outcome, Service } from './perform.ts'
import { faultOfBusiness, faultOfError, interoperable } from './xmlrpc-faults.ts'
import {
  faultElement,
  faultValue,
  readCall,
  readMulticalled,
  readParameters,
  responseElement,
} from './xmlrpc-messages.ts'
import type { MethodCall, XmlRpcFault } from './xmlrpc-messages.ts'
import { around, arrayAround, inside, valuesIn } from './xmlrpc-elements.ts'
import { introspect } from './xmlrpc-system.ts'
import {
  firstOf,
  typesByName,
  typesByPointer,
  typesMetadata,
  typesOf,
  typesRepeated,
} from './xmlrpc-types.ts'
import type { TypeOf } from './xmlrpc-types.ts'
import { writeValue } from './xmlrpc-write.ts'

export interface XmlRpcCall extends Omit<Call, 'charset'> {
  readonly root: XmlElement
  /** What the caller is answered in, canonical; undefined: nobody knows what he reads. */
  readonly charset: string | undefined
}

const asJson: TypeOf = () => undefined

/** Answers one methodCall. Never throws: every failure is a fault. */
export async function answerXmlRpc(service: Service, call: XmlRpcCall): Promise<HttpResponse> {
  const { charset, root } = call
  let asked: MethodCall
  try {
    asked = readCall(root)
  } catch (error) {
    return document(faultElement(faultOfError(error, interoperable.invalid)), { charset })
  }
  try {
    if (asked.method === 'system.multicall') {
      const { value, stale } = await multicall(service, call, asked)
      const headers = freshness(stale === undefined ? {} : { reply: stale }, service.scope.now())
      return document(responseElement(value), { charset, headers })
    }
    const result = await one(service, call, asked)
    const accepted = result.outcome?.accepted
    return document('value' in result ? responseElement(result.value) : faultElement(result.fault), {
      charset,
      headers: freshness(accepted ?? {}, service.scope.now()),
      ...(accepted?.reply !== undefined && { carries: accepted.id }),
    })
  } catch (error) {
    return xmlRpcError(service, error, charset)
  }
}

/** Any error as a fault: HTTP status 200, as the specification wants it. */
export function xmlRpcError(
  { scope }: Pick<Service, 'scope'>,
  thrown: unknown,
  charset: string | undefined,
): HttpResponse {
  const error = GatewayError.from(thrown)
  if (error.code === 'INTERNAL') scope.log.error('an XML-RPC call failed', { error: thrown })
  return document(faultElement(faultOfError(error)), { charset, headers: refusalHeaders(error) })
}

/** The body was no XML, or in another charset than it says. */
export function notWellFormed(error: GatewayError): HttpResponse {
  return document(faultElement(faultOfError(error, interoperable.notWellFormed)), { charset: undefined })
}

interface Around {
  readonly charset: string | undefined
  readonly headers?: Readonly<Record<string, string>>
  readonly carries?: string
}

function document(root: XmlElement, { charset, headers = {}, ...rest }: Around): HttpResponse {
  return {
    status: 200,
    headers: {
      'content-type': `text/xml; charset=${charsetLabel(charset ?? 'utf-8')}`,
      'cache-control': 'no-store',
      ...headers,
    },
    body: charset === undefined ? inAscii(root) : writeXml(root, { charset }),
    ...rest,
  }
}

/** ASCII with references, called UTF-8, which every parser has to read (XML 1.0 §2.2); expat reads no GB18030. */
function inAscii(root: XmlElement): Uint8Array {
  const declaration = Buffer.from('<?xml version="1.0" encoding="utf-8"?>\n')
  return Buffer.concat([declaration, writeXml(root, { charset: 'us-ascii', declaration: false })])
}

type Result =
  | { readonly value: XmlElement; readonly outcome?: Outcome }
  | { readonly fault: XmlRpcFault; readonly outcome?: Outcome }

/** One call, of a document or of a multicall. */
async function one(
  service: Service,
  call: XmlRpcCall,
  { method, values, index }: MethodCall & { readonly index?: number },
): Promise<Result> {
  const { config } = service
  const system = introspect(service, method, values)
  if (system !== undefined) return { value: writeValue(system, asJson) }
  const names = Object.hasOwn(config.parameters, method) ? config.parameters[method] : undefined
  const { data, types } = readParameters(values, names)
  const outcome = await perform(service, call, {
    operation: method,
    data,
    metadata: typesMetadata(types),
    ...(index !== undefined && { index }),
  })
  if (outcome.fault !== undefined)
    return { fault: faultOfBusiness(outcome.fault, config.faultCodes), outcome }
  const { reply } = outcome.accepted
  const typeOf = firstOf(
    typesByPointer(typesOf(reply?.metadata), reply?.data),
    typesByName(`${method}Response`, config.types),
    typesRepeated(types, data),
  )
  // There is always one value (spec, "Response example"); nil is not one that every client reads.
  return { value: writeValue(marked(outcome), typeOf), outcome }
}

/** DESIGN §7: a struct that is not fresh says so. */
function marked({ value = '', accepted: { reply } }: Outcome): Json {
  return reply?.stale === true && isObject(value) ? { ...value, stale: true } : value
}

/** Each call in its turn, each with its own result or fault (system.multicall, 2001). */
async function multicall(
  service: Service,
  call: XmlRpcCall,
  { values }: MethodCall,
): Promise<{ readonly value: XmlElement; readonly stale: Reply | undefined }> {
  const { maxCalls } = service.config
  const [list, ...more] = values
  const calls = list === undefined || more.length > 0 ? undefined : inside(list, 'array')
  if (calls === undefined)
    throw new GatewayError('DECODE_FAILED', 'system.multicall takes one array of structs')
  const items = valuesIn(calls)
  if (items.length > maxCalls)
    throw new GatewayError(
      'DECODE_FAILED',
      `system.multicall with ${items.length} calls: ${maxCalls} is the most`,
    )
  const results: XmlElement[] = []
  // Of several answers the oldest that is not fresh.
  let stale: Reply | undefined
  for (const [index, item] of items.entries()) {
    if (call.signal.aborted) break // nobody is left to be answered
    const { element, reply } = await multicalled(service, call, { item, index })
    results.push(element)
    if (reply?.stale === true && (stale === undefined || momentOf(reply) < momentOf(stale))) stale = reply
  }
  return { value: around('value', [arrayAround(results)]), stale }
}

function momentOf({ asOf }: Reply): number {
  return asOf === undefined ? Infinity : Date.parse(asOf)
}

async function multicalled(
  service: Service,
  call: XmlRpcCall,
  { item, index }: { readonly item: XmlElement; readonly index: number },
): Promise<{ readonly element: XmlElement; readonly reply?: Reply | undefined }> {
  try {
    const asked = readMulticalled(item)
    if (asked.method === 'system.multicall')
      throw new GatewayError('DECODE_FAILED', 'system.multicall may not call itself')
    const result = await one(service, call, { ...asked, index })
    if ('fault' in result) return { element: faultValue(result.fault) }
    writeXml(result.value) // what cannot be written is this call's fault alone
    const element = around('value', [arrayAround([result.value])])
    return { element, reply: result.outcome?.accepted.reply }
  } catch (error) {
    return { element: faultValue(faultOfError(error)) }
  }
}
