// Function modules in SOAP: calls, answers, faults, and what a BAPI says in RETURN.
import type { Fault, Json } from 'dragoman'
import { membersIn, membersOut } from './values.ts'
import type { Members, Shape } from './values.ts'
import { abapName, escapeXml, printable, xmlName } from './xml.ts'
import type { Element } from './xml.ts'

const SOAP = 'http://schemas.xmlsoap.org/soap/envelope/'
const FUNCTIONS = 'urn:sap-com:document:sap:rfc:functions'
/** Of the errors of the runtime itself. */
const ERRORS = 'urn:sap-com:document:sap:soap:functions'
const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'

function envelope(body: string): string {
  return `${DECLARATION}<SOAP-ENV:Envelope xmlns:SOAP-ENV="${SOAP}"><SOAP-ENV:Body>${body}</SOAP-ENV:Body></SOAP-ENV:Envelope>`
}

/** A call. SAP answers only those TABLES that the call has, so all of them are sent. Throws `RangeError`. */
export function callXml(name: string, members: Members, shape: Shape): string {
  const empty = shape.tables.filter((table) => !table.includes('.') && !Object.hasOwn(members, table))
  const all: Members = {
    ...members,
    ...Object.fromEntries(empty.map((table): [string, Json] => [table, []])),
  }
  return envelope(functionXml(xmlName(name), all, shape))
}

/** Throws `RangeError`. */
export function answerXml(name: string, members: Members, shape: Shape): string {
  return envelope(functionXml(`${xmlName(name)}.Response`, members, shape))
}

function functionXml(tag: string, members: Members, shape: Shape): string {
  return `<rfc:${tag} xmlns:rfc="${FUNCTIONS}">${membersOut(members, shape)}</rfc:${tag}>`
}

export interface FaultWords {
  readonly side: 'Client' | 'Server'
  readonly code: string
  readonly message: string
  /** The function module, where it is its own exception. */
  readonly exception?: string
}

/** A refusal as the runtime writes it, or an exception of the function module itself. */
export function faultXml({ side, code, message, exception }: FaultWords): string {
  const told = escapeXml(printable(message))
  const name = escapeXml(printable(code))
  const tag = exception === undefined ? undefined : `n0:${xmlName(exception)}.Exception`
  const detail =
    tag === undefined
      ? `<rfc:Error xmlns:rfc="${ERRORS}"><type>${name}</type><message>${told}</message></rfc:Error>`
      : `<${tag} xmlns:n0="${FUNCTIONS}"><Name>${name}</Name><Text>${told}</Text></${tag}>`
  const said = tag === undefined ? told : name
  return envelope(
    `<SOAP-ENV:Fault><faultcode>SOAP-ENV:${side}</faultcode><faultstring>${said}</faultstring><detail>${detail}</detail></SOAP-ENV:Fault>`,
  )
}

/** What a body holds. */
export type Content =
  | {
      readonly kind: 'fault'
      readonly words: readonly string[]
      readonly message: string
      readonly exception?: Fault
    }
  | { readonly kind: 'function'; readonly name: string; readonly element: Element }

/** Whether a document is an envelope of any version, well or badly made. */
export function isEnvelope({ name }: Element): boolean {
  return name === 'Envelope'
}

/** Throws `RangeError` for what is no envelope of SOAP 1.1 with one element in its body. */
export function contentOf(root: Element): Content {
  if (root.namespace !== SOAP)
    throw new RangeError(`the envelope is not of SOAP 1.1 but of ${root.namespace.slice(0, 80)}`)
  const body = root.children.find(({ name, namespace }) => name === 'Body' && namespace === SOAP)
  const [entry] = body?.children ?? []
  if (body === undefined || entry === undefined || body.children.length > 1)
    throw new RangeError('the envelope does not have one element in its Body')
  if (entry.name === 'Fault' && entry.namespace === SOAP) return faultOf(entry)
  if (entry.namespace !== FUNCTIONS)
    throw new RangeError(`${entry.name} is not of the namespace ${FUNCTIONS}`)
  return { kind: 'function', name: abapName(entry.name), element: entry }
}

function child({ children }: Element, ...names: readonly string[]): Element | undefined {
  const [first, ...rest] = names
  const found = children.find(({ name }) => name === first)
  return found === undefined || rest.length === 0 ? found : child(found, ...rest)
}

function words(element: Element, ...names: readonly string[]): string {
  return child(element, ...names)?.text.trim() ?? ''
}

/** The runtime's faults name a type and a text; an exception of the function module has a name, a text and a message's number. */
function faultOf(fault: Element): Content {
  const string = words(fault, 'faultstring')
  const [detail] = child(fault, 'detail')?.children ?? []
  const kind = detail === undefined ? '' : words(detail, 'type')
  const message = detail === undefined ? '' : words(detail, 'message')
  const said = { kind: 'fault', words: [string, kind].filter((each) => each !== ''), message } as const
  if (detail === undefined || !detail.name.endsWith('.Exception')) return said
  const code = words(detail, 'Name') || string
  const [id, number] = [words(detail, 'Message', 'ID'), words(detail, 'Message', 'Number')]
  const more = id === '' ? {} : { detail: { ID: id, NUMBER: number } }
  return { ...said, exception: { code, message: words(detail, 'Text') || code, ...more } }
}

/** The members of `NAME.Response`. Throws `RangeError` for another's answer. */
export function answerIn(
  name: string,
  content: Extract<Content, { kind: 'function' }>,
  shape: Shape,
): Members {
  if (content.name !== `${name}.Response` && content.name !== `${name}Response`)
    throw new RangeError(`it answers ${content.name.slice(0, 80)}, not ${name}`)
  return membersIn(content.element, shape)
}

/** BAPI RETURN, a structure or a table: the first row of TYPE E (error), A (abort) or X (exit) is the business's "no". */
export function returnFault(members: Members, parameter: string): Fault | undefined {
  const said = Object.hasOwn(members, parameter) ? members[parameter] : undefined
  const rows = Array.isArray(said) ? (said as readonly Json[]) : said === undefined ? [] : [said] // an array that is Json is one of Json
  for (const row of rows) {
    if (typeof row !== 'object' || row === null || Array.isArray(row)) continue
    const { TYPE, CODE, ID, NUMBER, MESSAGE } = row as Members // an object that is no array
    if (TYPE !== 'E' && TYPE !== 'A' && TYPE !== 'X') continue
    const code = text(CODE) || `${text(ID)}${text(NUMBER)}` || TYPE
    return { code, message: text(MESSAGE) || code, detail: { [parameter]: [...rows] } }
  }
  return undefined
}

function text(value: Json | undefined): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value).trim() : ''
}
