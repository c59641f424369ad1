// MTOM and XOP (W3C XOP 1.0, MTOM 1.0; RFC 2387): attachments put into the tree, and taken out of it.
import { randomUUID } from 'node:crypto'
import { GatewayError } from 'dragoman'
import type { ElementDecl, Particle, TypeDecl } from '../xml/schema.ts'
import {
  attribute,
  attributeOf,
  childElements,
  element,
  textOf,
  type XmlElement,
  withParts,
} from '../xml/tree.ts'
import { mediaType, type MediaType } from './content.ts'
import { clark, ns } from './names.ts'

const maxParts = 100
/** Of one part's header section. */
const maxHeadBytes = 16_384
/** Shorter values stay in the text: an attachment has a price of its own. */
const minAttachedLength = 1024

interface MimePart {
  readonly id: string
  readonly type: string | undefined
  readonly bytes: Uint8Array
}

export interface Packaged {
  /** The part that holds the envelope. */
  readonly root: Uint8Array
  /** Its media type; for XOP the one of the envelope inside (XOP §5.1). */
  readonly type: MediaType
  readonly parts: ReadonlyMap<string, Uint8Array>
}

/** Takes a multipart/related body apart. Throws `DECODE_FAILED`. */
export function readPackage(body: Uint8Array, type: MediaType): Packaged {
  const boundary = type.parameters.get('boundary') ?? ''
  // RFC 2046 §5.1.1 allows 70 characters; JAX-WS and others stay below
  if (boundary === '' || boundary.length > 200)
    throw new GatewayError('DECODE_FAILED', 'the multipart body names no usable boundary')
  const all = mimeParts(Buffer.from(body.buffer, body.byteOffset, body.byteLength), boundary)
  const start = bareId(type.parameters.get('start') ?? '')
  const root = start === '' ? all[0] : all.find(({ id }) => id === start)
  if (root === undefined)
    throw new GatewayError('DECODE_FAILED', `the multipart body has no part "${start}" to start with`)
  const own = mediaType(root.type)
  const inner = own.parameters.get('type')
  const parts = new Map<string, Uint8Array>()
  for (const [index, part] of all.entries()) {
    if (part === root) continue
    const id = part.id === '' ? `part ${index + 1}` : part.id // no reference can name it, a message can
    // RFC 2045 §7: an id is one part's
    if (parts.has(id))
      throw new GatewayError('DECODE_FAILED', `two attachments have the id "${id.slice(0, 200)}"`)
    parts.set(id, part.bytes)
  }
  return {
    root: root.bytes,
    type: inner === undefined ? own : { type: mediaType(inner).type, parameters: own.parameters },
    parts,
  }
}

function mimeParts(body: Buffer, boundary: string): MimePart[] {
  const delimiter = Buffer.from(`--${boundary}`)
  const found: MimePart[] = []
  let at = body.indexOf(delimiter)
  while (at !== -1) {
    const from = at + delimiter.length
    if (body.subarray(from, from + 2).toString('latin1') === '--') return found
    const next = nextDelimiter(body, delimiter, from)
    if (next === -1) break
    if (found.length >= maxParts)
      throw new GatewayError('DECODE_FAILED', `the multipart body has more than ${maxParts} parts`)
    found.push(mimePart(body.subarray(from, next)))
    at = body.indexOf(delimiter, next)
  }
  throw new GatewayError('DECODE_FAILED', 'the multipart body does not end with its boundary')
}

/** RFC 2046 §5.1.1: the line break before a delimiter belongs to it. */
function nextDelimiter(body: Buffer, delimiter: Buffer, from: number): number {
  const lf = body.indexOf(Buffer.concat([Buffer.from('\n'), delimiter]), from)
  return lf > from && breaksLong(body, from) && body[lf - 1] === 0x0d ? lf - 1 : lf
}

/** Whether the line that begins here ends with CRLF, as the lines of its part do then; with LF alone a CR is content. */
function breaksLong(body: Buffer, from: number): boolean {
  return body[body.indexOf('\n', from) - 1] === 0x0d
}

function mimePart(bytes: Buffer): MimePart {
  const head = bytes.subarray(0, maxHeadBytes)
  const crlf = head.indexOf('\r\n\r\n')
  const lf = head.indexOf('\n\n')
  const isLong = crlf !== -1 && (lf === -1 || crlf < lf) // the nearer one: the other is content
  const end = isLong ? crlf : lf
  if (end === -1)
    throw new GatewayError('DECODE_FAILED', 'a part of the multipart body has no header section')
  const headers = new Map<string, string>()
  for (const line of head
    .subarray(0, end)
    .toString('latin1')
    .replaceAll(/\r?\n[ \t]+/g, ' ')
    .split(/\r?\n/)) {
    const colon = line.indexOf(':')
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim())
  }
  const content = bytes.subarray(end + (isLong ? 4 : 2))
  return {
    id: bareId(headers.get('content-id') ?? ''),
    type: headers.get('content-type'),
    bytes: decoded(content, headers.get('content-transfer-encoding')),
  }
}

function decoded(content: Buffer, encoding = 'binary'): Uint8Array {
  const name = encoding.toLowerCase()
  if (name === 'base64') return Buffer.from(content.toString('latin1'), 'base64')
  if (name === 'quoted-printable') return unquoted(content)
  if (name === 'binary' || name === '8bit' || name === '7bit') return content
  throw new GatewayError('DECODE_FAILED', `content transfer encoding "${name}" of a part is not supported`)
}

/** RFC 2045 §6.7; an equals sign before anything else stands for itself. */
function unquoted(content: Buffer): Uint8Array {
  const text = content
    .toString('latin1')
    .replaceAll(/=(?:[\t ]*\r?\n|([\dA-Fa-f]{2}))/g, (_match, octet: string | undefined) =>
      octet === undefined ? '' : String.fromCharCode(Number.parseInt(octet, 16)),
    )
  return Buffer.from(text, 'latin1')
}

function bareId(id: string): string {
  return id.trim().replace(/^<(.*)>$/s, '$1')
}

/**
 * Puts attachments where they are referred to, as base64 text: `xop:Include` (XOP §3.2), and `href="cid:…"` on an empty
 * element (SOAP Messages with Attachments). `stray` is told what nobody refers to, and refuses it unless it is given: it is lost.
 * Throws `DECODE_FAILED`: a reference without a part, or two to one part.
 */
export function includeParts(
  root: XmlElement,
  parts: ReadonlyMap<string, Uint8Array>,
  stray: (id: string) => void = refuseStray,
): XmlElement {
  const left = new Map(parts)
  const take = (href: string): string => {
    const id = contentId(href)
    const bytes = left.get(id)
    if (bytes === undefined)
      throw new GatewayError(
        'DECODE_FAILED',
        `no attachment, or not one more, has the id "${id.slice(0, 200)}"`,
      )
    left.delete(id)
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
  }
  const include = (at: XmlElement): XmlElement => {
    const [child] = childElements(at)
    if (child?.uri === ns.xop && child.local === 'Include') {
      if (at.children.length > 1)
        throw new GatewayError('DECODE_FAILED', `${at.local} holds more than its xop:Include`)
      return withParts(at, { children: [take(attribute(child, 'href') ?? '')] })
    }
    const href = attribute(at, 'href')
    if (href?.startsWith('cid:') === true && at.children.length === 0)
      return withParts(at, {
        attributes: at.attributes.filter(({ local }) => local !== 'href'),
        children: [take(href)],
      })
    if (child === undefined) return at
    return withParts(at, {
      children: at.children.map((one) => (typeof one === 'string' ? one : include(one))),
    })
  }
  const whole = include(root)
  for (const id of left.keys()) stray(id.slice(0, 200))
  return whole
}

function refuseStray(id: string): void {
  throw new GatewayError('DECODE_FAILED', `attachment "${id}" is referred to nowhere`)
}

/** RFC 2392: percent-encoded in the URL, as it is in the header. */
function contentId(href: string): string {
  const id = href.replace(/^cid:/i, '')
  try {
    return decodeURIComponent(id)
  } catch {
    return id // a stray per cent sign is part of the id
  }
}

/** The elements below a Body's child whose long base64Binary values may become attachments (XOP §3.1: canonical ones). */
export function attachable(
  entry: XmlElement,
  declarations: readonly ElementDecl[],
  isRpc: boolean,
): Set<XmlElement> {
  const found = new Set<XmlElement>()
  const walk = (at: XmlElement, type: TypeDecl): void => {
    const simple = type.kind === 'simple' ? type : type.simple
    if (simple?.builtin === 'base64Binary' && isLongBase64(at)) found.add(at)
    if (type.kind !== 'complex' || type.particle === undefined) return
    const known = new Map<string, ElementDecl>()
    collect(type.particle, known)
    for (const child of childElements(at)) {
      const decl = known.get(clark(child))
      if (decl !== undefined) walk(child, decl.type)
    }
  }
  for (const decl of declarations)
    for (const at of isRpc ? childElements(entry, decl.name) : [entry]) walk(at, decl.type)
  return found
}

function collect(particle: Particle, into: Map<string, ElementDecl>): void {
  if (particle.kind === 'element') into.set(clark(particle.decl.name), particle.decl)
  else if (particle.kind !== 'any') for (const item of particle.items) collect(item, into)
}

function isLongBase64(at: XmlElement): boolean {
  const text = textOf(at)
  return (
    text.length >= minAttachedLength &&
    at.children.length === 1 &&
    Buffer.from(text, 'base64').toString('base64') === text
  )
}

export interface Extracted {
  readonly envelope: XmlElement
  readonly parts: readonly { readonly id: string; readonly bytes: Uint8Array }[]
}

/** Takes these elements' values out of an envelope, each replaced by its `xop:Include`. */
export function extractParts(envelope: XmlElement, chosen: ReadonlySet<XmlElement>): Extracted {
  const parts: { id: string; bytes: Uint8Array }[] = []
  const extract = (at: XmlElement): XmlElement => {
    if (!chosen.has(at))
      return withParts(at, {
        children: at.children.map((child) => (typeof child === 'string' ? child : extract(child))),
      })
    const id = `${randomUUID()}@dragoman`
    parts.push({ id, bytes: Buffer.from(textOf(at), 'base64') })
    return withParts(at, { children: [element(ns.xop, 'Include', [attributeOf('href', `cid:${id}`)])] })
  }
  return { envelope: extract(envelope), parts }
}

export interface Outgoing {
  readonly root: Uint8Array
  /** Of the envelope inside, with its action if it has one: `text/xml`. */
  readonly mediaType: string
  readonly action?: string
  readonly parts: Extracted['parts']
}

/** Puts a package together (MTOM §3.2, XOP §5). */
export function writePackage({ root, mediaType: type, action, parts }: Outgoing): {
  readonly body: Uint8Array
  readonly contentType: string
} {
  const boundary = `uuid:${randomUUID()}`
  const start = `root.${randomUUID()}@dragoman`
  const pieces: Uint8Array[] = []
  const add = (id: string, contentType: string, bytes: Uint8Array): void => {
    const head = `--${boundary}\r\nContent-Type: ${contentType}\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <${id}>\r\n\r\n`
    pieces.push(Buffer.from(head), bytes, Buffer.from('\r\n'))
  }
  add(start, `application/xop+xml; charset=utf-8; type="${type}"`, root)
  for (const { id, bytes } of parts) add(id, 'application/octet-stream', bytes)
  pieces.push(Buffer.from(`--${boundary}--\r\n`))
  const said = action === undefined ? '' : `; action="${action.replaceAll(/["\\]/g, String.raw`\$&`)}"`
  return {
    body: Buffer.concat(pieces),
    contentType: `multipart/related; type="application/xop+xml"; start="<${start}>"; start-info="${type}"; boundary="${boundary}"${said}`,
  }
}
