// XML as another program writes and reads it: nothing here is shared with the gateway but the parser's package.
import iconv from 'iconv-lite'
import { SaxesParser } from 'saxes'
import { booleans, integers, lists } from './model.ts'
import type { Kind, Style, Value } from './model.ts'

const XSI = 'http://www.w3.org/2001/XMLSchema-instance'

export interface Node {
  readonly name: string
  readonly attributes: ReadonlyMap<string, string>
  readonly children: readonly (Node | string)[]
}

export function xmlBytes(root: string, { charset }: Style): Uint8Array {
  return iconv.encode(`<?xml version="1.0" encoding="${charset}"?>${root}`, charset)
}

/** An element with everything below it; members stand in the order of the value. */
export function writeElement(name: string, value: Value, style: Style, attributes = ''): string {
  if (value === null) return `<${name}${attributes} xmlns:xsi="${XSI}" xsi:nil="true"/>`
  if (isList(value)) return value.map((item) => writeElement(name, item, style, attributes)).join('')
  if (typeof value !== 'object') return `<${name}${attributes}>${text(String(value), style)}</${name}>`
  const own = Object.entries(value).flatMap(([key, member]) =>
    key.startsWith('@') ? [` ${key.slice(1)}="${attribute(plain(member))}"`] : [],
  )
  const inner = Object.entries(value).map(([key, member]) => content(key, member, style))
  return `<${name}${attributes}${own.join('')}>${inner.join('')}</${name}>`
}

function content(key: string, member: Value, style: Style): string {
  if (key.startsWith('@')) return ''
  if (key !== '#mixed') return writeElement(key, member, style)
  const pieces = isList(member) ? member : []
  return pieces.map((piece) => mixedPiece(piece, style)).join('')
}

function mixedPiece(piece: Value, style: Style): string {
  if (typeof piece !== 'object' || piece === null) return text(String(piece), style)
  return Object.entries(piece)
    .map(([name, inner]) => writeElement(name, inner, style))
    .join('')
}

function plain(value: Value): string {
  if (typeof value === 'object') throw new Error('an attribute has one value')
  return String(value)
}

/** XML 1.0 §2.11: a carriage return survives only as a reference. */
function text(value: string, style: Style): string {
  if (style.text === 'references') return Array.from(value, (char) => `&#x${codeOf(char)};`).join('')
  if (style.text === 'cdata' && !value.includes('\r'))
    return value === '' ? '' : `<![CDATA[${value.replaceAll(']]>', ']]]]><![CDATA[>')}]]>`
  return value
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('\r', '&#13;')
}

/** XML 1.0 §3.3.3: white space in attributes too. */
function attribute(value: string): string {
  return value.replaceAll(/[&<>"'\t\n\r]/g, (char) => `&#x${codeOf(char)};`)
}

function codeOf(char: string): string {
  return (char.codePointAt(0) ?? 0).toString(16)
}

/** Reads a document in the charset its head or its declaration says. */
export function readTree(bytes: Uint8Array, contentType: string): Node {
  const [, said] = /charset="?([^\s";]+)/i.exec(contentType) ?? []
  const [, declared] =
    /encoding=["']([^"']+)/.exec(Buffer.from(bytes.subarray(0, 100)).toString('latin1')) ?? []
  const source = iconv.decode(Buffer.from(bytes), said ?? declared ?? 'utf-8')
  const parser = new SaxesParser({ xmlns: true })
  const open: { name: string; attributes: Map<string, string>; children: (Node | string)[] }[] = []
  let root: Node | undefined
  parser.on('opentag', ({ local, attributes }) => {
    const own = Object.values(attributes).filter(({ uri }) => uri !== 'http://www.w3.org/2000/xmlns/')
    const node = {
      name: local,
      attributes: new Map(
        own.map(({ uri, local: name, value }) => [uri === '' ? name : `{${uri}}${name}`, value]),
      ),
      children: [],
    }
    open.at(-1)?.children.push(node)
    root ??= node
    open.push(node)
  })
  parser.on('closetag', () => void open.pop())
  const add = (run: string): void => {
    const children = open.at(-1)?.children
    const last = children?.at(-1)
    if (typeof last === 'string') children?.splice(-1, 1, last + run)
    else if (run !== '') children?.push(run)
  }
  parser.on('text', add)
  parser.on('cdata', add)
  parser.write(source).close()
  if (root === undefined) throw new Error('there is no root element')
  return root
}

/** The text directly inside. */
export function textIn({ children }: Node): string {
  return children.filter((child) => typeof child === 'string').join('')
}

export function childOf(node: Node, name: string): Node {
  const found = node.children.find((child) => typeof child !== 'string' && child.name === name)
  if (found === undefined || typeof found === 'string') throw new Error(`${node.name} has no ${name}`)
  return found
}

/** What the element says, by the types the model gives it. */
export function readElement(node: Node, kind: Kind, path = node.name): Value {
  if (node.attributes.get(`{${XSI}}nil`) === 'true') return null
  const attributes = [...node.attributes].map(
    ([name, value]) => [`@${name}`, typed(`${path}/@${name}`, value, kind)] as const,
  )
  const elements = node.children.filter((child) => typeof child !== 'string')
  const isStructure = path === 'doc' || path === 'doc/item' || elements.length > 0
  if (!isStructure) return typed(path, textIn(node), kind)
  if (path === 'doc/remark') {
    const pieces = node.children.map((child): Value =>
      typeof child === 'string' ? child : { [child.name]: readElement(child, kind, `${path}/${child.name}`) },
    )
    return { '#mixed': pieces }
  }
  const members = new Map<string, Value>(attributes)
  for (const list of lists)
    if (list.startsWith(`${path}/`) && !list.slice(path.length + 1).includes('/'))
      members.set(list.slice(path.length + 1), [])
  for (const child of elements) {
    const below = `${path}/${child.name}`
    const value = readElement(child, kind, below)
    const before = members.get(child.name)
    if (lists.has(below)) members.set(child.name, [...(isList(before) ? before : []), value])
    else if (before === undefined) members.set(child.name, value)
    else throw new Error(`${below} stands twice`)
  }
  return Object.fromEntries(members)
}

function typed(path: string, value: string, kind: Kind): Value {
  if (kind === 'EchoText') return value
  if (integers.has(path)) return Number(value)
  return booleans.has(path) ? value === 'true' || value === '1' : value
}

export function isList(value: Value | undefined): value is readonly Value[] {
  return Array.isArray(value)
}
