// The body of a push, XML or JSON, as fields: nothing guessed, ids as text.
import { GatewayError } from 'dragoman'
import type { Json } from 'dragoman'

import { isObject, setMember } from '../xml/bind-context.ts'
import type { JsonObject } from '../xml/bind-context.ts'
import { toJson } from '../xml/bind.ts'
import { readXmlText } from '../xml/read.ts'
import { readFlat } from './flat.ts'
import { extentOf, withControlsEscaped } from './json-text.ts'
import { stowControls, tidyCdata, withOneSection } from './tidy.ts'

export type Fields = { readonly [field: string]: Json }
export type Format = 'xml' | 'json'

export interface Document {
  readonly format: Format
  readonly fields: Fields
}

const LIMITS = { maxDepth: 32, maxNodes: 20_000, maxAttributes: 16, maxNameLength: 256 } as const
// Not fatal: a byte that is no UTF-8 becomes U+FFFD, and the customer is heard all the same. A byte order mark is taken off.
const utf8 = new TextDecoder('utf-8')

/**
 * Reads XML or JSON, told apart by the first character. XML values are texts; JSON numbers stay numbers where a double holds
 * them exactly, but ids and everything larger are the text they were. Throws `DECODE_FAILED`: neither, a DOCTYPE, limits.
 */
export function readDocument(bytes: Uint8Array): Document {
  const text = utf8.decode(bytes)
  const first = /\S/.exec(text)?.[0]
  if (first === '<') {
    const xml = text.trimStart()
    return { format: 'xml', fields: readFlat(xml) ?? readXmlFields(xml) }
  }
  if (first === '{') return { format: 'json', fields: readJsonFields(text) }
  throw new GatewayError('DECODE_FAILED', 'the body is neither XML nor a JSON object')
}

/** A field that is a text; a number counts as its text, anything else as not there. */
export function textIn(fields: Fields, name: string): string | undefined {
  const value = Object.hasOwn(fields, name) ? fields[name] : undefined
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : undefined
}

/**
 * What the platform itself says of a push stands in it once: the customer's own words, in which a raw `]]>` may end a section,
 * come behind the names and before the id.
 */
export function platformFields({ format, fields }: Document): Fields {
  if (format === 'json') return fields
  let own: JsonObject | undefined
  for (const [names, at] of [
    [['ToUserName', 'FromUserName', 'CreateTime', 'MsgType'], 0],
    [['MsgId'], -1],
  ] as const)
    for (const name of names) {
      const value = Object.hasOwn(fields, name) ? fields[name] : undefined
      const one = value !== undefined && isList(value) ? value.at(at) : undefined
      if (one === undefined) continue
      own ??= { ...fields }
      setMember(own, name, one)
    }
  return own ?? fields
}

/** A field that holds fields; anything else as none. */
export function fieldsIn(fields: Fields, name: string): Fields {
  const value = Object.hasOwn(fields, name) ? fields[name] : undefined
  return value !== undefined && isFields(value) ? value : {}
}

/** A field that repeats: as a list, also of one or none. */
export function listIn(fields: Fields, name: string): readonly Json[] {
  const value = Object.hasOwn(fields, name) ? fields[name] : undefined
  if (value === undefined || value === null || value === '') return []
  return isList(value) ? value : [value]
}

export function isFields(value: Json): value is Fields {
  return isObject(value)
}

/** Without these members. */
export function without(fields: Fields, names: ReadonlySet<string>): Fields {
  const rest: JsonObject = {}
  for (const [name, value] of Object.entries(fields)) if (!names.has(name)) setMember(rest, name, value)
  return rest
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

// ─── XML ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What holds a customer's own words, once in a push; what comes last in one first: its end is not among the words before it. */
const OWN_WORDS = ['Url', 'PagePath', 'FileName', 'Description', 'Title', 'Label', 'Recognition', 'Content']

function readXmlFields(text: string): Fields {
  const { text: legal, restore } = stowControls(text)
  const json = readWhole(legal)
  const fields = restore === undefined ? json : mapTexts(json, restore)
  if (!isFields(fields)) throw new GatewayError('DECODE_FAILED', 'the xml has no fields')
  return fields
}

/** Where a customer's words hold the end of their own element, or of another, they are taken up to the last one of their own. */
function readWhole(legal: string): Json {
  const joined = OWN_WORDS.reduce(withOneSection, legal)
  let json: Json
  try {
    json = readTidy(legal)
  } catch (error) {
    if (joined === legal) throw error
    return readTidy(joined)
  }
  const isRepeated = isFields(json) && OWN_WORDS.some((name) => listIn(json, name).length > 1)
  return isRepeated ? readTidy(joined) : json
}

function readTidy(legal: string): Json {
  const tidy = tidyCdata(legal)
  try {
    return toJson(readXmlText(tidy, LIMITS), undefined)
  } catch (strict) {
    const repaired = tidyCdata(legal, true)
    if (repaired === tidy) throw strict
    return toJson(readXmlText(repaired, LIMITS), undefined)
  }
}

function mapTexts(value: Json, change: (text: string) => string): Json {
  if (typeof value === 'string') return change(value)
  if (isList(value)) return value.map((each) => mapTexts(each, change))
  if (!isFields(value)) return value
  const mapped: JsonObject = {}
  for (const [name, member] of Object.entries(value)) setMember(mapped, name, mapTexts(member, change))
  return mapped
}

// ─── JSON ────────────────────────────────────────────────────────────────────────────────────────────────────────────

function readJsonFields(text: string): Fields {
  refuseExtent(text)
  let value: unknown
  try {
    value = JSON.parse(text, exact)
  } catch {
    value = parseEscaped(text)
  }
  const fields = value as Json // JSON.parse yields plain data, the reviver texts and numbers
  if (!isFields(fields)) throw new GatewayError('DECODE_FAILED', 'the body is not a JSON object')
  return fields
}

/** RFC 8259 §7 wants control characters escaped; who sends one raw is heard all the same. */
function parseEscaped(text: string): unknown {
  const escaped = withControlsEscaped(text)
  try {
    return JSON.parse(escaped, exact)
  } catch (error) {
    throw new GatewayError('DECODE_FAILED', 'the body is not JSON', { cause: error })
  }
}

const ID = /id$/iu

function exact(name: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value === 'string') return value.toWellFormed()
  if (typeof value !== 'number' || context?.source === undefined) return value
  const { source } = context
  const isExact = String(value) === source && (!Number.isInteger(value) || Number.isSafeInteger(value))
  return isExact && !ID.test(name) ? value : source
}

/** Before the reviver goes through all of it. */
function refuseExtent(text: string): void {
  const { depth, values } = extentOf(text)
  if (depth > LIMITS.maxDepth)
    throw new GatewayError('DECODE_FAILED', `the JSON is nested deeper than ${LIMITS.maxDepth} levels`)
  if (values > LIMITS.maxNodes)
    throw new GatewayError('DECODE_FAILED', `the JSON has more than ${LIMITS.maxNodes} values`)
}
