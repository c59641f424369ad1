// One record: from bytes to data and back, by its layout.
import type { Json } from 'dragoman'
import { shown } from './decimal.ts'
import type { Scalar } from './fields.ts'
import { layoutOf, membersOf } from './layout.ts'
import type { Layout, LayoutOptions, Node, Reference, Slot, View } from './layout.ts'

export interface RecordCodec {
  readonly minBytes: number
  readonly maxBytes: number
  /** Throws `RangeError` that names the field, its place and its bytes. */
  decode(bytes: Uint8Array): Json
  /** As long as its tables make it. Throws `RangeError` for unknown members and what does not fit. */
  encode(data: Json): Uint8Array
  /** Looks for one field without reading the rest; undefined: the record is too short for it. */
  peek(field: string, bytes: Uint8Array): Scalar | undefined
  /** Throws `RangeError` where there is no such field. */
  has(field: string): void
}

/** Throws `RangeError` where the copybook cannot be read. */
export function recordOf(copybook: string, options: LayoutOptions): RecordCodec {
  const layout = layoutOf(copybook, options)
  const fields = new Map<string, Reference>()
  const field = (name: string): Reference => {
    const known = fields.get(name) ?? layout.field(name)
    fields.set(name, known)
    return known
  }
  return {
    minBytes: layout.minBytes,
    maxBytes: layout.maxBytes,
    decode: (bytes) => new Decoding(layout, bytes).value(),
    encode: (data) => new Encoding(layout, options.charset.space).bytes(data),
    peek(name, bytes) {
      const { offset, codec } = field(name)
      if (bytes.byteLength < offset + codec.bytes) return undefined
      return codec.decode(bytes.subarray(offset, offset + codec.bytes))
    },
    has: (name) => void field(name),
  }
}

type Members = Record<string, Json>
/** Where the elements around an item begin, the record's own first. */
type Starts = readonly number[]

function read(bytes: Uint8Array, starts: Starts, { depth, offset, codec, name }: Reference): Scalar {
  const at = (starts[depth] ?? 0) + offset
  return located(name, at, () => codec.decode(bytes.subarray(at, at + codec.bytes)))
}

/** The view of shared bytes that holds: the first whose condition does, else the first that has none. */
function viewOf({ views }: Slot, bytes: Uint8Array, starts: Starts): View | undefined {
  if (views.length === 1 && views[0]?.when === undefined) return views[0]
  const holding = views.find(
    ({ when }) => when !== undefined && when.is.includes(String(read(bytes, starts, when.field))),
  )
  return holding ?? views.find(({ when }) => when === undefined)
}

function located<T>(name: string, at: number, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof RangeError) || error.cause === LOCATED) throw error
    throw new RangeError(`${name} (byte ${at + 1}): ${error.message}`, { cause: LOCATED })
  }
}
const LOCATED = Symbol('the message says where')

class Decoding {
  readonly #layout: Layout
  readonly #bytes: Uint8Array
  constructor(layout: Layout, bytes: Uint8Array) {
    this.#layout = layout
    this.#bytes = bytes
  }

  value(): Json {
    const { root, minBytes, maxBytes } = this.#layout
    const { byteLength } = this.#bytes
    if (byteLength < minBytes || byteLength > maxBytes) {
      const wanted = minBytes === maxBytes ? `${maxBytes}` : `${minBytes} to ${maxBytes}`
      throw new RangeError(`the record has ${byteLength} bytes, its copybook ${wanted}`)
    }
    return this.#element(root, 0, [0])
  }

  #node(node: Node, starts: Starts): Json {
    const start = starts.at(-1) ?? 0
    if (node.occurs === undefined) return this.#element(node, start + node.offset, starts)
    const rows: Json[] = []
    const count = this.#count(node, starts)
    for (let row = 0; row < count; row += 1) {
      const at = start + node.offset + row * node.bytes
      rows.push(this.#element(node, at, [...starts, at]))
    }
    return rows
  }

  #count({ name, occurs, offset, bytes }: Node, starts: Starts): number {
    const { min = 0, max = 0, counter } = occurs ?? {}
    if (counter === undefined) return max
    const count = Number(read(this.#bytes, starts, counter) ?? Number.NaN)
    if (!Number.isInteger(count) || count < min || count > max)
      throw new RangeError(`${counter.name} says there are ${count} of ${name}: ${min} to ${max} may be`)
    const there = Math.floor((this.#bytes.byteLength - offset) / bytes)
    if (count > there)
      throw new RangeError(`${counter.name} says there are ${count} of ${name}, the record has ${there}`)
    return count
  }

  #element(node: Node, at: number, starts: Starts): Json {
    const { codec } = node
    if (codec !== undefined)
      return located(node.name, at, () => codec.decode(this.#bytes.subarray(at, at + codec.bytes)))
    const members: Members = {}
    this.#members(node, starts, members)
    return members
  }

  #members({ slots }: Node, starts: Starts, members: Members): void {
    for (const slot of slots) {
      const node = viewOf(slot, this.#bytes, starts)?.node
      if (node === undefined) continue
      if (node.member !== undefined) members[node.member] = this.#node(node, starts)
      else if (node.codec === undefined) this.#members(node, starts, members)
    }
  }
}

class Encoding {
  readonly #layout: Layout
  readonly #bytes: Uint8Array
  #length: number
  constructor(layout: Layout, space: number) {
    this.#layout = layout
    // What a shorter view of shared bytes leaves over is spaces.
    this.#bytes = new Uint8Array(layout.maxBytes).fill(space)
    this.#length = layout.maxBytes
  }

  bytes(data: Json): Uint8Array {
    this.#element(this.#layout.root, data, 0, [0])
    return this.#bytes.subarray(0, this.#length)
  }

  #node(node: Node, value: Json | undefined, starts: Starts): void {
    const start = starts.at(-1) ?? 0
    if (node.occurs === undefined) return this.#element(node, value, start + node.offset, starts)
    const rows: readonly Json[] = rowsOf(node, value)
    const { min, max, counter } = node.occurs
    if (rows.length > max || (counter !== undefined && rows.length < min))
      throw new RangeError(
        `${node.name} has ${rows.length} rows: ${counter === undefined ? 0 : min} to ${max} may be`,
      )
    if (counter !== undefined) this.#counted(counter, rows.length, starts)
    const count = counter === undefined ? max : rows.length
    for (let row = 0; row < count; row += 1) {
      const at = start + node.offset + row * node.bytes
      this.#element(node, rows[row], at, [...starts, at])
    }
    if (counter !== undefined) this.#length -= (max - rows.length) * node.bytes
  }

  /** The count is what there is; a caller need not say it, and may not say something else. */
  #counted(counter: Reference, count: number, starts: Starts): void {
    const said = Number(read(this.#bytes, starts, counter) ?? 0)
    if (said !== 0 && said !== count)
      throw new RangeError(`${counter.name} is ${said}, and there are ${count} rows`)
    this.#bytes.set(counter.codec.encode(count), (starts[counter.depth] ?? 0) + counter.offset)
  }

  #element(node: Node, value: Json | undefined, at: number, starts: Starts): void {
    const { codec } = node
    if (codec !== undefined) {
      this.#bytes.set(
        located(node.name, at, () => codec.encode(value)),
        at,
      )
      return
    }
    const given = membersIn(node, value)
    const known = new Set(node.slots.flatMap(({ views }) => views.flatMap((view) => membersOf(view.node))))
    const unknown = Object.keys(given).find((member) => !known.has(member))
    if (unknown !== undefined)
      throw new RangeError(`${node.name} has no ${unknown}: it has ${[...known].join(', ')}`)
    this.#members(node, given, starts)
  }

  #members({ slots }: Node, given: Readonly<Members>, starts: Starts): void {
    for (const slot of slots) {
      const node = this.#chosen(slot, given, starts)
      if (node === undefined) continue
      if (node.member === undefined && node.codec === undefined) this.#members(node, given, starts)
      else this.#node(node, node.member === undefined ? undefined : own(given, node.member), starts)
    }
  }

  /** Of shared bytes the view that data is given for; it must be the one a reader will see. */
  #chosen(slot: Slot, given: Readonly<Members>, starts: Starts): Node | undefined {
    const { views } = slot
    const named = views.filter(({ node }) =>
      membersOf(node).some((member) => own(given, member) !== undefined),
    )
    if (named.length > 1)
      throw new RangeError(
        `${named.map(({ node }) => node.name).join(' and ')} share their bytes: give one of them`,
      )
    const seen = viewOf(slot, this.#bytes, starts)
    const [wanted] = named
    if (wanted !== undefined && wanted !== seen && views.some(({ when }) => when !== undefined)) {
      const field = views.find(({ when }) => when !== undefined)?.when?.field.name ?? ''
      throw new RangeError(`${wanted.node.name} is given, and ${field} says that it is not there`)
    }
    return (wanted ?? seen ?? views[0])?.node
  }
}

function rowsOf({ name }: Node, value: Json | undefined): readonly Json[] {
  if (value === undefined || value === null) return []
  if (Array.isArray(value)) return value as readonly Json[] // an array that is Json is one of Json
  throw new RangeError(`${name} is a table: a list was expected, not ${shown(value)}`)
}

function membersIn({ name }: Node, value: Json | undefined): Readonly<Members> {
  if (value === undefined || value === null) return {}
  if (typeof value !== 'object' || Array.isArray(value))
    throw new RangeError(`${name} is a group: an object was expected, not ${shown(value)}`)
  return value as Members // an object that is no array
}

/** `constructor` may be the name of an item. */
function own(members: Readonly<Members>, name: string): Json | undefined {
  return Object.hasOwn(members, name) ? members[name] : undefined
}
