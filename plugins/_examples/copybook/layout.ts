// How the items of a record lie: sizes, tables, and which reading of shared bytes holds.
import { numberCodec, textCodec } from './fields.ts'
import type { Codec, Machine, Sign, Usage } from './fields.ts'
import { itemsOf } from './items.ts'
import type { Item, Occurs } from './items.ts'
import { parsePicture } from './picture.ts'

export interface Node {
  /** Absent: FILLER, which has bytes and no value, or a group that is only a bracket. */
  readonly member?: string
  /** As the copybook names it, for messages. */
  readonly name: string
  /** Of one occurrence, at most. */
  readonly bytes: number
  /** It holds a table whose length varies: what follows it moves. */
  readonly isVariable: boolean
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
  /** Of the longest view. */
  readonly bytes: number
  readonly isVariable: boolean
}
export interface View {
  readonly node: Node
  /** Holds where the referenced field has one of these values. */
  readonly when?: { readonly field: Reference; readonly is: readonly string[] }
}
/** A field before the place that refers to it. */
export interface Reference {
  readonly name: string
  /** Its own: it is also how a reader knows where it has met the field. */
  readonly codec: Codec
  /** From the beginning of the record; absent: in a table, or behind one whose length varies. */
  readonly offset?: number
}
export interface Views {
  readonly [name: string]: { readonly field: string; readonly is: readonly string[] }
}
export interface LayoutOptions extends Machine {
  readonly views?: Views
  readonly names: 'copybook' | 'camel'
  /** Default: what every line of the copybook fits. */
  readonly form?: 'fixed' | 'free'
}
export interface Layout {
  readonly root: Node
  readonly minBytes: number
  readonly maxBytes: number
  /** Throws `RangeError` for a field that is not there, is in a table, or is named twice. */
  field(name: string): Reference
}

const MAX_BYTES = 1_048_576
/** Of one record, all occurrences counted: what a record may become in memory. */
const MAX_VALUES = 100_000

/** What surrounds an item. */
interface Place {
  /** The fields met so far, of the record and of each table around, outermost first. */
  readonly scopes: readonly Map<string, Reference | 'several'>[]
  /** From the beginning of the record, where that is the same in every record. */
  readonly offset: number | undefined
  readonly usage?: Usage
  readonly sign?: Sign
}

/** Lays out a copybook's record. Throws `RangeError` that names the line or the item. */
export function layoutOf(text: string, options: LayoutOptions): Layout {
  const record = itemsOf(text, options.form)
  const unused = new Set(Object.keys(options.views ?? {}))
  const top = new Map<string, Reference | 'several'>()
  const root = place(record, { scopes: [top], offset: 0 })
  if (unused.size > 0) throw new RangeError(`views: ${[...unused].join(', ')} is no REDEFINES and has none`)
  if (valuesOf(root) > MAX_VALUES) throw new RangeError(`it has more than ${MAX_VALUES} values`)
  return {
    root,
    minBytes: leastOf(root),
    maxBytes: sizeOf(root),
    field: (name) => find(name.toUpperCase(), [top]),
  }

  function place(own: Item, around: Place): Node {
    const { name } = own
    const usage = own.usage ?? around.usage
    const sign = own.sign ?? around.sign
    const inner: Place = {
      ...(own.occurs === undefined ? around : { scopes: [...around.scopes, new Map()], offset: undefined }),
      ...(usage !== undefined && { usage }),
      ...(sign !== undefined && { sign }),
    }
    const occurs = own.occurs === undefined ? undefined : tableOf(own.occurs, around)
    const shared = {
      ...(name !== undefined && { member: memberOf(name, options.names) }),
      name: name ?? 'FILLER',
      ...(occurs !== undefined && { occurs }),
    }
    const isCounted = occurs?.counter !== undefined
    if (own.items.length === 0) {
      const codec = codecOf(own, inner)
      if (name !== undefined) note(name, codec, inner)
      return checked({ ...shared, bytes: codec.bytes, isVariable: isCounted, codec, slots: [] }, own)
    }
    const slots = placeAll(own.items, inner)
    const bytes = slots.reduce((sum, slot) => sum + slot.bytes, 0)
    const isVariable = isCounted || slots.some((slot) => slot.isVariable)
    // A table has rows, also where it has no name.
    const member =
      name === undefined && occurs !== undefined ? { member: memberOf('FILLER', options.names) } : {}
    return checked({ ...shared, ...member, bytes, isVariable, slots }, own)
  }

  function placeAll(items: readonly Item[], inner: Place): readonly Slot[] {
    const slots: {
      views: View[]
      bytes: number
      isVariable: boolean
      readonly offset: number | undefined
    }[] = []
    const names = new Set<string>()
    let { offset } = inner
    for (const item of items) {
      const shared = item.redefines === undefined ? undefined : redefined(item, slots)
      const placed = place(item, { ...inner, offset: shared === undefined ? offset : shared.offset })
      const node = named(placed, item, names)
      const view = { node, ...viewOf(item, inner) }
      const slot = shared ?? { views: [], bytes: 0, isVariable: false, offset }
      if (shared === undefined) slots.push(slot)
      slot.views.push(view)
      slot.bytes = Math.max(slot.bytes, sizeOf(node))
      slot.isVariable ||= node.isVariable
      if (slot.isVariable && slot.views.length > 1)
        throw new RangeError(`line ${item.line}: a table whose length varies shares its bytes with nothing`)
      offset = slot.offset === undefined || slot.isVariable ? undefined : slot.offset + slot.bytes
    }
    return slots
  }

  /** A name that comes again in a group gets a number: both are there. */
  function named(node: Node, { line }: Item, names: Set<string>): Node {
    const found = membersOf(node).find((member) => names.has(member))
    for (const member of membersOf(node)) names.add(member)
    if (found === undefined) return node
    if (node.member === undefined)
      throw new RangeError(`line ${line}: two items of one group are named ${found}`)
    let number = 2
    while (names.has(`${found}-${number}`)) number += 1
    names.add(`${found}-${number}`)
    return { ...node, member: `${found}-${number}` }
  }

  /** The slot an item shares: the last one, as COBOL has it, so that nothing lies between the two. */
  function redefined<T extends { readonly views: readonly View[] }>(item: Item, slots: readonly T[]): T {
    const slot = slots.at(-1)
    if (slot === undefined || !slot.views.some(({ node }) => node.name === item.redefines))
      throw new RangeError(
        `line ${item.line}: ${item.redefines ?? ''} does not stand right before its REDEFINES`,
      )
    return slot
  }

  function viewOf({ name }: Item, { scopes }: Place): Pick<View, 'when'> {
    const views = Object.entries(options.views ?? {})
    const view = name === undefined ? undefined : views.find(([key]) => key.toUpperCase() === name)
    if (view === undefined) return {}
    const [key, { field, is }] = view
    unused.delete(key)
    return { when: { field: find(field.toUpperCase(), scopes), is } }
  }

  function tableOf({ min, max, dependingOn }: Occurs, { scopes }: Place): Table {
    return { min, max, ...(dependingOn !== undefined && { counter: find(dependingOn, scopes) }) }
  }

  function codecOf(item: Item, { usage = 'display', sign }: Place): Codec {
    if (item.picture === undefined)
      throw new RangeError(`line ${item.line}: ${item.name ?? 'FILLER'} has neither PIC nor items`)
    const { charset, overpunch } = options
    try {
      const picture = parsePicture(item.picture)
      const own = sign ?? { isLeading: false, isSeparate: false }
      if (picture.kind === 'number') return numberCodec(picture, usage, { charset, overpunch, sign: own })
      if (usage !== 'display') throw new RangeError(`PIC ${item.picture} is text, which has no such USAGE`)
      return textCodec(picture, item.isRight, { charset, overpunch })
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      throw new RangeError(`line ${item.line}: ${error.message}`, { cause: error })
    }
  }
}

function note(name: string, codec: Codec, { scopes, offset }: Place): void {
  const fields = scopes.at(-1)
  const reference: Reference = { name, codec, ...(offset !== undefined && { offset }) }
  fields?.set(name, fields.has(name) ? 'several' : reference)
}

function find(name: string, scopes: Place['scopes']): Reference {
  for (const fields of scopes.toReversed()) {
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

/** The shortest record: tables with their least rows, and of the last bytes the shortest reading. */
function leastOf({ bytes, occurs, slots }: Node): number {
  const each = slots.reduce((sum, slot, index) => {
    const { views } = slot
    const isOpen = slot.isVariable || (occurs === undefined && index === slots.length - 1)
    return sum + (isOpen ? Math.min(...views.map(({ node }) => leastOf(node))) : slot.bytes)
  }, 0)
  return (slots.length === 0 ? bytes : each) * (occurs?.min ?? 1)
}

function valuesOf({ slots, occurs }: Node): number {
  const inside = slots.reduce(
    (sum, { views }) => sum + Math.max(...views.map(({ node }) => valuesOf(node))),
    1,
  )
  return inside * (occurs?.max ?? 1)
}

function memberOf(name: string, names: LayoutOptions['names']): string {
  if (names === 'copybook') return name
  return name.toLowerCase().replace(/[-_]+([a-z0-9])/g, (_all, letter: string) => letter.toUpperCase())
}
