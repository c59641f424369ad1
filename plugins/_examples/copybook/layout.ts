// Where every item of a record lies: sizes, offsets, tables, and which reading of shared bytes holds.
import { numberCodec, textCodec } from './fields.ts'
import type { Codec, Machine, Sign, Usage } from './fields.ts'
import { itemsOf } from './items.ts'
import type { Item, Occurs } from './items.ts'
import { parsePicture } from './picture.ts'

export interface Node {
  /** Absent: FILLER, which has bytes and no value. */
  readonly member?: string
  /** As the copybook names it, for messages. */
  readonly name: string
  /** From the beginning of the element it stands in. */
  readonly offset: number
  /** Of one occurrence. */
  readonly bytes: number
  readonly occurs?: Table
  /** Of an elementary item. */
  readonly codec?: Codec
  readonly slots: readonly Slot[]
}
export interface Table {
  readonly min: number
  readonly max: number
  readonly counter?: Reference
}
/** The same bytes, read in one way or another. */
export interface Slot {
  readonly views: readonly View[]
}
export interface View {
  readonly node: Node
  /** Holds where the referenced field has one of these values. */
  readonly when?: { readonly field: Reference; readonly is: readonly string[] }
}
/** A field of an element around the one that refers to it. */
export interface Reference {
  readonly name: string
  /** How many elements outside: 0 is the whole record. */
  readonly depth: number
  readonly offset: number
  readonly codec: Codec
}
export interface Views {
  readonly [name: string]: { readonly field: string; readonly is: readonly string[] }
}
export interface LayoutOptions extends Machine {
  readonly views?: Views
  readonly names: 'copybook' | 'camel'
}
export interface Layout {
  readonly root: Node
  readonly minBytes: number
  readonly maxBytes: number
  /** Throws `RangeError` for an item that is not there, is in a table, or is a group. */
  field(name: string): Reference
}

const MAX_BYTES = 1_048_576
/** Of one record, all occurrences counted: what a record may become in memory. */
const MAX_VALUES = 100_000

/** Where an item is placed. */
interface Place {
  /** The groups around it, outermost first, with the element each belongs to and its place in it. */
  readonly scopes: readonly Scope[]
  readonly depth: number
  readonly usage?: Usage
  readonly sign?: Sign
}
interface Scope {
  readonly fields: Map<string, Reference | 'several'>
  readonly depth: number
}

/** Lays out a copybook's record. Throws `RangeError` that names the line or the item. */
export function layoutOf(text: string, options: LayoutOptions): Layout {
  const record = itemsOf(text)
  const unused = new Set(Object.keys(options.views ?? {}))
  const top: Scope = { fields: new Map(), depth: 0 }
  const root = place(record, 0, { scopes: [top], depth: 0 })
  if (unused.size > 0) throw new RangeError(`views: ${[...unused].join(', ')} is no REDEFINES and has none`)
  const maxBytes = root.bytes
  const { table, after } = lastTable(root)
  if (after !== undefined)
    throw new RangeError(
      `${after} lies behind or over ${table?.name ?? ''}, whose length varies: put that table last`,
    )
  if (valuesOf(root) > MAX_VALUES) throw new RangeError(`it has more than ${MAX_VALUES} values`)
  const variable = table?.occurs === undefined ? 0 : (table.occurs.max - table.occurs.min) * table.bytes
  return {
    root,
    minBytes: maxBytes - variable,
    maxBytes,
    field: (name) => find(name.toUpperCase(), [top]),
  }

  function place(own: Item, offset: number, around: Place): Node {
    const usage = own.usage ?? around.usage
    const sign = own.sign ?? around.sign
    const isTable = own.occurs !== undefined
    // The elements of a table have their own beginnings.
    const depth = around.depth + (isTable ? 1 : 0)
    const scopes = isTable ? [...around.scopes, { fields: new Map(), depth }] : around.scopes
    const inner: Place = {
      scopes,
      depth,
      ...(usage !== undefined && { usage }),
      ...(sign !== undefined && { sign }),
    }
    const start = isTable ? 0 : offset
    const { name } = own
    const shared = {
      ...(name !== undefined && { member: memberOf(name, options.names) }),
      name: name ?? 'FILLER',
      offset,
      ...(own.occurs !== undefined && { occurs: tableOf(own, own.occurs, around) }),
    }
    if (own.items.length === 0) {
      const codec = codecOf(own, inner)
      if (name !== undefined) note(name, { name, depth, offset: start, codec }, inner)
      return checked({ ...shared, bytes: codec.bytes, codec, slots: [] }, own)
    }
    if (own.picture !== undefined) throw new RangeError(`line ${own.line}: a group has no PIC`)
    if (isTable && name === undefined)
      throw new RangeError(`line ${own.line}: a table of groups needs a name`)
    const { slots, end } = placeAll(own.items, start, inner)
    return checked({ ...shared, bytes: end - start, slots }, own)
  }

  function placeAll(
    items: readonly Item[],
    start: number,
    inner: Place,
  ): { slots: readonly Slot[]; end: number } {
    const slots: { views: View[] }[] = []
    const names = new Set<string>()
    let end = start
    for (const item of items) {
      const slot = item.redefines === undefined ? undefined : redefined(item, slots)
      const node = place(item, slot?.views[0]?.node.offset ?? end, inner)
      for (const member of membersOf(node)) {
        if (names.has(member))
          throw new RangeError(`line ${item.line}: two items of one group are named ${member}`)
        names.add(member)
      }
      if (slot === undefined) {
        slots.push({ views: [{ node, ...viewOf(item, inner) }] })
        end += sizeOf(node)
      } else {
        const [first] = slot.views
        if (first !== undefined && sizeOf(node) > sizeOf(first.node))
          throw new RangeError(
            `line ${item.line}: ${node.name} is longer than ${first.node.name}, which it redefines`,
          )
        slot.views.push({ node, ...viewOf(item, inner) })
      }
      if (end - start > MAX_BYTES)
        throw new RangeError(`line ${item.line}: the record is longer than ${MAX_BYTES} bytes`)
    }
    return { slots, end }
  }

  /** The slot an item shares: the last one, as COBOL has it, so that nothing lies between the two. */
  function redefined(item: Item, slots: readonly { readonly views: View[] }[]): { views: View[] } {
    const slot = slots.at(-1)
    if (slot === undefined || !slot.views.some(({ node }) => node.name === item.redefines))
      throw new RangeError(
        `line ${item.line}: ${item.redefines ?? ''} does not stand right before its REDEFINES`,
      )
    return slot
  }

  function viewOf({ name }: Item, { scopes }: Place): Pick<View, 'when'> {
    const view =
      name === undefined
        ? undefined
        : Object.entries(options.views ?? {}).find(([key]) => key.toUpperCase() === name)
    if (view === undefined) return {}
    const [key, { field, is }] = view
    unused.delete(key)
    return { when: { field: find(field.toUpperCase(), scopes), is } }
  }

  function tableOf({ line }: Item, { min, max, dependingOn }: Occurs, { scopes, depth }: Place): Table {
    if (dependingOn === undefined) return { min, max }
    if (depth > 0) throw new RangeError(`line ${line}: a table in a table cannot DEPEND ON a count here`)
    return { min, max, counter: find(dependingOn, scopes) }
  }

  function codecOf(item: Item, { usage = 'display', sign }: Place): Codec {
    if (item.picture === undefined)
      throw new RangeError(`line ${item.line}: ${item.name ?? 'FILLER'} has neither PIC nor items`)
    const { charset, overpunch } = options
    try {
      const picture = parsePicture(item.picture)
      if (picture.kind === 'number')
        return numberCodec(picture, usage, {
          charset,
          overpunch,
          sign: sign ?? { isLeading: false, isSeparate: false },
        })
      if (usage !== 'display') throw new RangeError(`PIC ${item.picture} is text, which has no such USAGE`)
      return textCodec(picture, item.isRight, { charset, overpunch })
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      throw new RangeError(`line ${item.line}: ${error.message}`, { cause: error })
    }
  }
}

function note(name: string, reference: Reference, { scopes }: Place): void {
  const fields = scopes.at(-1)?.fields
  fields?.set(name, fields.has(name) ? 'several' : reference)
}

function find(name: string, scopes: readonly Scope[]): Reference {
  for (const { fields } of scopes.toReversed()) {
    const found = fields.get(name)
    if (found === 'several') throw new RangeError(`${name} is the name of several items`)
    if (found !== undefined) return found
  }
  throw new RangeError(`there is no field ${name} before it, outside of tables`)
}

function checked(node: Node, { line }: Item): Node {
  if (sizeOf(node) > MAX_BYTES)
    throw new RangeError(`line ${line}: ${node.name} is longer than ${MAX_BYTES} bytes`)
  return node
}

/** What it adds to the object around it: a group without a name is only a bracket. */
export function membersOf({ member, slots }: Node): readonly string[] {
  if (member !== undefined) return [member]
  return slots.flatMap(({ views }) => views.flatMap(({ node }) => membersOf(node)))
}

export function sizeOf({ bytes, occurs }: Node): number {
  return bytes * (occurs?.max ?? 1)
}

function valuesOf({ slots, occurs }: Node): number {
  const inside = slots.reduce(
    (sum, { views }) => sum + Math.max(...views.map(({ node }) => valuesOf(node))),
    1,
  )
  return inside * (occurs?.max ?? 1)
}

/** The table whose length varies, and what lies behind it (its place would vary too) or over it. */
function lastTable(root: Node): { readonly table?: Node; readonly after?: string } {
  const found: { table?: Node; after?: string } = {}
  const walk = (node: Node): void => {
    if (found.table !== undefined) found.after ??= node.name
    else if (node.occurs?.counter !== undefined) found.table = node
    else
      for (const { views } of node.slots) {
        for (const view of views) walk(view.node)
        if (views.length > 1 && found.table !== undefined) found.after ??= 'REDEFINES'
      }
  }
  walk(root)
  return found
}

function memberOf(name: string, names: LayoutOptions['names']): string {
  if (names === 'copybook') return name
  return name.toLowerCase().replace(/[-_]+([a-z0-9])/g, (_all, letter: string) => letter.toUpperCase())
}
