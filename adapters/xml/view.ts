// The tree over a document that was read in one pass: a table of places in its text, and elements made when somebody asks.
import { withCharacters } from './entities.ts'
import { XML_NS } from './names.ts'
import type { NamespaceScope } from './scope.ts'
import type { XmlAttribute, XmlElement, XmlNode } from './tree.ts'

/** What the numbers of a record are, by their place in it. Elements stand in the order of their start tags. */
export const record = {
  /** Where `<` of the start tag is. */
  TAG: 0,
  /** Where the colon of the name is; 0: it has no prefix. */
  COLON: 1,
  /** Behind the name. */
  NAME_END: 2,
  /** The place of its scope. */
  SCOPE: 3,
  /** Behind the start tag. */
  CONTENT: 4,
  /** Where the end tag begins. */
  CONTENT_END: 5,
  /** Behind the end tag. */
  END: 6,
  /** The record behind those of everything inside. */
  NEXT: 7,
  /** How many attributes it has that are no declarations: their numbers follow. */
  ATTRIBUTES: 8,
  LENGTH: 9,
} as const

/** The same for an attribute. */
export const attributeRecord = {
  NAME: 0,
  /** 0: it has none. */
  NAME_COLON: 1,
  NAME_TO: 2,
  /** Behind the first quote. */
  VALUE: 3,
  VALUE_TO: 4,
  WIDTH: 5,
} as const

// Imported or not, constants of the module itself are those the compiler knows.
const { TAG, COLON, NAME_END, SCOPE, CONTENT, CONTENT_END, END, NEXT, ATTRIBUTES, LENGTH } = record
const { NAME, NAME_COLON, NAME_TO, VALUE, VALUE_TO, WIDTH } = attributeRecord

/** What was found to be right: a text and where things are in it. A reader makes it, and nobody changes it. */
export interface Scanned {
  /** Line ends are line feeds. */
  readonly text: string
  /** Records; there may be room behind the last. */
  readonly table: readonly number[] | Int32Array
  readonly scopes: readonly NamespaceScope[]
  readonly hasReferences: boolean
}

const none: readonly never[] = Object.freeze([])

/** The root of a document. */
export function rootOf(document: Scanned): XmlElement {
  return new ReadElement(document, 0)
}

/** The text of the whole document an element was read from, where it was read in one pass. */
export function sourceOf(element: XmlElement): string | undefined {
  return element instanceof ReadElement ? element.source : undefined
}

/**
 * An element that was read. Its attributes and children are made when they are asked for the first time, and are the same
 * ones ever after; so a large document costs two numbers where it would cost an object, until somebody looks at it.
 */
class ReadElement implements XmlElement {
  readonly uri: string
  readonly local: string
  readonly prefix: string
  readonly namespaces: NamespaceScope
  readonly #document: Scanned
  readonly #start: number
  #attributes: readonly XmlAttribute[] | undefined
  #children: readonly XmlNode[] | undefined

  constructor(document: Scanned, start: number) {
    const { text, table, scopes } = document
    const from = (table[start + TAG] ?? 0) + 1
    const colon = table[start + COLON] ?? 0
    const end = table[start + NAME_END] ?? 0
    // the reader has put each scope there before it wrote its place
    const scope = scopes[table[start + SCOPE] ?? 0] as NamespaceScope
    this.prefix = colon === 0 ? '' : text.slice(from, colon)
    this.local = text.slice(colon === 0 ? from : colon + 1, end)
    this.uri = scope.get(this.prefix) ?? ''
    this.namespaces = scope
    this.#document = document
    this.#start = start
    this.#attributes = table[start + ATTRIBUTES] === 0 ? none : undefined
    this.#children = table[start + CONTENT] === table[start + CONTENT_END] ? none : undefined
  }

  get source(): string {
    return this.#document.text
  }

  get attributes(): readonly XmlAttribute[] {
    return (this.#attributes ??= attributesOf(this.#document, this.#start, this.namespaces))
  }

  get children(): readonly XmlNode[] {
    return (this.#children ??= childrenOf(this.#document, this.#start))
  }
}

function childrenOf(document: Scanned, start: number): readonly XmlNode[] {
  const { table } = document
  let from = table[start + CONTENT] ?? 0
  const contentEnd = table[start + CONTENT_END] ?? 0
  const next = table[start + NEXT] ?? 0
  let child = start + LENGTH + (table[start + ATTRIBUTES] ?? 0) * WIDTH
  if (child === next) return [run(document, from, contentEnd)]
  const children: XmlNode[] = []
  for (; child < next; child = table[child + NEXT] ?? next) {
    const tag = table[child + TAG] ?? 0
    if (tag > from) children.push(run(document, from, tag))
    children.push(new ReadElement(document, child))
    from = table[child + END] ?? 0
  }
  if (contentEnd > from) children.push(run(document, from, contentEnd))
  return children.length < 17 ? children.slice() : children // what is pushed to has room for 17
}

function run({ text, hasReferences }: Scanned, from: number, to: number): string {
  const written = text.slice(from, to)
  return hasReferences ? withCharacters(written) : written
}

function attributesOf(document: Scanned, start: number, scope: NamespaceScope): readonly XmlAttribute[] {
  const first = start + LENGTH
  const count = document.table[start + ATTRIBUTES] ?? 0
  if (count === 1) return [attributeAt(document, first, scope)]
  if (count === 2) return [attributeAt(document, first, scope), attributeAt(document, first + WIDTH, scope)]
  return Array.from({ length: count }, (_, index) => attributeAt(document, first + index * WIDTH, scope))
}

function attributeAt(document: Scanned, at: number, scope: NamespaceScope): XmlAttribute {
  const { text, table } = document
  const from = table[at + NAME] ?? 0
  const colon = table[at + NAME_COLON] ?? 0
  const prefix = colon === 0 ? '' : text.slice(from, colon)
  const local = text.slice(colon === 0 ? from : colon + 1, table[at + NAME_TO] ?? 0)
  const uri = colon === 0 ? '' : prefix === 'xml' ? XML_NS : (scope.get(prefix) ?? '')
  return { uri, local, value: run(document, table[at + VALUE] ?? 0, table[at + VALUE_TO] ?? 0), prefix }
}
