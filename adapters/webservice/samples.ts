// Commands to paste: one operation asked in each of the dialects.
import type { Json } from 'dragoman'
import { fromJson } from '../xml/bind.ts'
import { isNcName } from '../xml/names.ts'
import { sample } from '../xml/schema.ts'
import type { XmlElement } from '../xml/tree.ts'
import { writeXmlText } from '../xml/write.ts'
import { isObject } from './contract.ts'
import { writeForm } from './form.ts'
import type { Field } from './form.ts'
import type { Service } from './perform.ts'
import { callElement, writeParameters } from './xmlrpc-messages.ts'

export interface Sample {
  /** `HTTP GET` */
  readonly dialect: string
  readonly command: string
}

/** Every way an operation can be asked. `address` is the channel's own, without a trailing slash. */
export function samplesOf(service: Service, operation: string, address: string): readonly Sample[] {
  const { config } = service
  const below = `${address}/${encodeURIComponent(operation)}`
  const at = config.serve === 'all' ? address : below
  const samples: Sample[] = []
  const fields = fieldsOf(service, operation)
  if (fields !== undefined) {
    const query = writeForm(fields, config.charset)
    if (config.get)
      samples.push({ dialect: 'HTTP GET', command: curl(query === '' ? below : `${below}?${query}`) })
    const type = 'application/x-www-form-urlencoded'
    samples.push({ dialect: 'HTTP POST', command: `${curl(below, type)} -d ${quoted(query)}` })
  }
  const pox = shownPox(service, operation, at)
  if (pox !== undefined) samples.push({ dialect: 'XML', command: pox })
  const call = callElement(operation, writeParameters(...parametersOf(service, operation)))
  samples.push({ dialect: 'XML-RPC', command: posted(at, call) })
  return samples
}

/** The page of an operation has its other samples where this one cannot be made. */
function shownPox(service: Service, operation: string, address: string): string | undefined {
  try {
    return poxSample(service, operation, address)
  } catch (error) {
    service.scope.log.debug('a sample in XML cannot be shown', { operation, error })
    return undefined
  }
}

/** Plain XML, the one every operation with a name of XML has. Throws `ENCODE_FAILED` for an example that does not fit. */
export function poxSample(service: Service, operation: string, address: string): string | undefined {
  if (!isNcName(operation)) return undefined
  const { contract } = service
  const request = contract.describe(operation)?.request
  const name = request?.name ?? { uri: contract.namespace ?? '', local: operation }
  return posted(address, fromJson(exampleOf(service, operation), name, request, { missing: 'keep' }))
}

/** The channel's own example, else one by the schema. */
function exampleOf({ host, contract }: Service, operation: string): Json {
  const given = Object.hasOwn(host.operations, operation) ? host.operations[operation]?.example : undefined
  if (given !== undefined) return given
  const request = contract.describe(operation)?.request
  return request === undefined ? {} : sample(request)
}

function namesOf({ config }: Service, operation: string): readonly string[] | undefined {
  return Object.hasOwn(config.parameters, operation) ? config.parameters[operation] : undefined
}

/** What a form can carry of the example; undefined where that is not all. */
function fieldsOf(service: Service, operation: string): readonly Field[] | undefined {
  const described = service.contract.describe(operation)
  if (described !== undefined && described.parameters === undefined) return undefined
  const example = exampleOf(service, operation)
  const given: { readonly [member: string]: Json } = isObject(example) ? example : {}
  const names = namesOf(service, operation) ?? Object.keys(given)
  const fields = names.flatMap((name): Field[] => {
    const value = Object.hasOwn(given, name) ? given[name] : ''
    return typeof value === 'object' ? [] : [[name, String(value)]]
  })
  return fields.length === names.length ? fields : undefined
}

function parametersOf(service: Service, operation: string): [Json, readonly string[] | undefined] {
  const example = exampleOf(service, operation)
  const names = namesOf(service, operation)
  if (names === undefined) return [example, undefined]
  const given: { readonly [member: string]: Json } = isObject(example) ? example : {}
  return [
    Object.fromEntries(names.map((name) => [name, Object.hasOwn(given, name) ? (given[name] ?? '') : ''])),
    names,
  ]
}

function posted(address: string, document: XmlElement): string {
  const text = writeXmlText(document, { prefixes: new Map([[document.uri, '']]) })
  return `${curl(address, 'text/xml; charset=utf-8')} -d ${quoted(text)}`
}

function curl(address: string, type?: string): string {
  return `curl -s ${quoted(address)}${type === undefined ? '' : ` -H ${quoted(`Content-Type: ${type}`)}`}`
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
