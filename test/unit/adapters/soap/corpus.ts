// Wire captures of real clients, and the comparison of two answers by expanded name and value.
import { readdirSync, readFileSync } from 'node:fs'
import type { HttpRequest, HttpResponse } from 'dragoman'
import { readXml } from '../../../../adapters/xml/read.ts'
import {
  attribute,
  childElement,
  childElements,
  textOf,
  type XmlElement,
  withParts,
} from '../../../../adapters/xml/tree.ts'

export const fixtures = new URL('../../../fixtures/soap/', import.meta.url)

export interface Capture {
  readonly client: string
  readonly name: string
  readonly request: Partial<HttpRequest> & { readonly path: string }
  readonly status: number
  readonly body: Uint8Array
}

/** All captures of a client, in order. */
export function captures(client: string): Capture[] {
  const folder = new URL(`corpus/${client}/`, fixtures)
  return readdirSync(folder)
    .filter((file) => file.endsWith('.req'))
    .sort()
    .map((file) => {
      const request = split(readFileSync(new URL(file, folder)))
      const wanted = split(readFileSync(new URL(file.replace(/req$/u, 'res'), folder)))
      const [method = '', target = ''] = request.first.split(' ')
      return {
        client,
        name: file.replace(/\.req$/u, ''),
        request: {
          method,
          path: new URL(target, 'http://x').pathname,
          headers: request.headers,
          body: request.body,
        },
        status: Number(wanted.first.split(' ')[1]),
        body: wanted.body,
      }
    })
}

interface Split {
  readonly first: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

function split(bytes: Buffer): Split {
  const end = bytes.indexOf('\r\n\r\n')
  const [first = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n')
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
  }
  const rest = bytes.subarray(end + 4)
  return {
    first,
    headers,
    body: /chunked/iu.test(headers['transfer-encoding'] ?? '') ? unchunked(rest) : rest,
  }
}

function unchunked(bytes: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; ;) {
    const end = bytes.indexOf('\r\n', at)
    const length = Number.parseInt(bytes.subarray(at, end).toString('latin1'), 16)
    if (end < 0 || !(length > 0)) return Buffer.concat(parts)
    parts.push(bytes.subarray(end + 2, end + 2 + length))
    at = end + 4 + length
  }
}

const xsi = 'http://www.w3.org/2001/XMLSchema-instance'

/** Why an answer is not the reference's; undefined if it is. As `replay.mjs` of the kit compares. */
export function difference(capture: Capture, got: HttpResponse): string | undefined {
  if (Math.floor(capture.status / 100) !== Math.floor(got.status / 100))
    return `HTTP ${got.status}, want ${capture.status}`
  const body = got.body instanceof Uint8Array ? got.body : new Uint8Array()
  if (capture.body.length === 0) return body.length === 0 ? undefined : 'a body in a one-way answer'
  const wanted = readXml(capture.body, { processingInstructions: 'ignore' }).root
  const given = readXml(body).root
  if (wanted.uri !== given.uri) return `envelope ${given.uri}, want ${wanted.uri}`
  const [want, have] = [entryOf(wanted), entryOf(given)]
  if (want === undefined || have === undefined) return want === have ? undefined : 'one Body is empty'
  if (want.local === 'Fault') return faultDifference(want, have)
  const encoded = capture.client.endsWith('-enc')
  const found =
    want.local === 'AddCommentResponse'
      ? compare(only(want, 'seen'), only(have, 'seen'), { path: '', ids: new Map(), loose: false })
      : compare(want, have, { path: '', ids: new Map([...ids(wanted), ...ids(given)]), loose: encoded })
  return (
    found ?? (has(wanted, 'S-000042') && !has(given, 'S-000042') ? 'a header block is missing' : undefined)
  )
}

function entryOf(envelope: XmlElement): XmlElement | undefined {
  const body = childElement(envelope, envelope.uri, 'Body')
  return body === undefined ? undefined : childElements(body)[0]
}

function only(element: XmlElement, local: string): XmlElement {
  return withParts(element, { children: childElements(element).filter((child) => child.local === local) })
}

function all(element: XmlElement): XmlElement[] {
  return [element, ...childElements(element).flatMap(all)]
}

function has(element: XmlElement, text: string): boolean {
  return all(element).some((one) => textOf(one) === text)
}

function ids(root: XmlElement): [string, XmlElement][] {
  return all(root).flatMap((one): [string, XmlElement][] => {
    const id = attribute(one, 'id')
    return id === undefined ? [] : [[id, one]]
  })
}

function faultDifference(want: XmlElement, have: XmlElement): string | undefined {
  if (have.local !== 'Fault') return 'no fault'
  const code = (fault: XmlElement): string | undefined =>
    all(fault)
      .map(
        (one) =>
          /(?:^|:)(Client|Server|Sender|Receiver|MustUnderstand|VersionMismatch)$/u.exec(textOf(one))?.[1],
      )
      .find((one) => one !== undefined)
  if (code(want) !== code(have)) return `fault code ${code(have)}, want ${code(want)}`
  for (const local of ['faultstring', 'Text', 'code', 'ticketId']) {
    const text = (fault: XmlElement): string | undefined => {
      const found = all(fault).find((one) => one.local === local)
      return found === undefined ? undefined : `{${found.uri}}${textOf(found)}`
    }
    if (text(want) !== undefined && text(want) !== text(have))
      return `fault ${local} ${text(have)}, want ${text(want)}`
  }
  return undefined
}

interface Comparison {
  readonly path: string
  readonly ids: ReadonlyMap<string, XmlElement>
  /** rpc/encoded: the name of the outermost element does not count. */
  readonly loose: boolean
}

function compare(
  first: XmlElement,
  second: XmlElement,
  { path, ids: known, loose }: Comparison,
): string | undefined {
  const [want, have] = [followed(first, known), followed(second, known)]
  const here = `${path}/${want.local}`
  if (!loose && (want.local !== have.local || want.uri !== have.uri))
    return `${here}: {${have.uri}}${have.local}, want {${want.uri}}`
  const [wanted, given] = [attributes(want), attributes(have)]
  for (const name of new Set([...wanted.keys(), ...given.keys()]))
    if (!sameText(wanted.get(name) ?? '', given.get(name) ?? ''))
      return `${here}@${name}: ${given.get(name)}, want ${wanted.get(name)}`
  const [children, others] = [childElements(want), childElements(have)]
  if (children.length !== others.length) return `${here}: ${others.length} children, want ${children.length}`
  if (children.length === 0 && !sameText(textOf(want), textOf(have)))
    return `${here}: ${JSON.stringify(textOf(have))}, want ${JSON.stringify(textOf(want))}`
  for (const [index, child] of children.entries()) {
    const other = others[index]
    const found =
      other === undefined ? 'missing' : compare(child, other, { path: here, ids: known, loose: false })
    if (found !== undefined) return found
  }
  return undefined
}

function followed(element: XmlElement, known: ReadonlyMap<string, XmlElement>): XmlElement {
  const target = known.get((attribute(element, 'href') ?? '').replace(/^#/u, ''))
  return target === undefined ? element : withParts(target, { uri: element.uri, local: element.local })
}

function attributes(element: XmlElement): Map<string, string> {
  const found = new Map<string, string>()
  for (const { uri, local, value } of element.attributes) {
    if (uri === xsi && local === 'nil') found.set('nil', 'true')
    else if (
      uri !== xsi &&
      !/soap.?(?:envelope|encoding)/u.test(uri) &&
      !['id', 'href', 'ref'].includes(local)
    )
      found.set(`{${uri}}${local}`, value)
  }
  return found
}

function sameText(want: string, have: string): boolean {
  if (want === have) return true
  const [a, b] = [want.trim(), have.trim()]
  if (decimal(a) !== undefined && decimal(a) === decimal(b)) return true
  if (/^\d{4}-\d\d-\d\dT/u.test(a)) return Date.parse(a) === Date.parse(b)
  if (/^-?[\d.]+E-?\d+$/iu.test(a)) return Number(a) === Number(b)
  return /^(?:true|1)$/u.test(a) && /^(?:true|1)$/u.test(b)
}

function decimal(text: string): string | undefined {
  const [, sign = '', whole = '', fraction = ''] = /^([+-]?)(\d+)(?:\.(\d*))?$/u.exec(text) ?? []
  if (whole === '') return undefined
  return `${sign === '-' ? '-' : ''}${whole.replace(/^0+(?=\d)/u, '')}.${fraction.replace(/0+$/u, '')}`
}
