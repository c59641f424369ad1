// One record: from bytes to data and back, by its layout.
import type { Json } from 'dragoman'
import { shown } from './decimal.ts'
import type { Codec, Scalar } from './fields.ts'
import { layoutOf, membersOf } from './layout.ts'
import type { Layout, LayoutOptions, Node, Reference, Slot, View } from './layout.ts'

export interface RecordCodec {
  readonly minBytes: number
  readonly maxBytes: number
  /** Throws `RangeError` that names the field, its place and its bytes. */
  decode(bytes: Uint8Array): Json
  /** As long as its tables make it. Throws `RangeError` for unknown members and what does not fit. */
  encode(data: Json): Uint8Array
  /** Looks at one field without reading the rest; undefined: the record is too short for it. */
  peek(field: string, bytes: Uint8Array): Scalar | undefined
  /** Throws `RangeError` where there is no such field, or its place is not the same in every record. */
  has(field: string): void
}

/** Throws `RangeError` where the copybook cannot be read. */
export function recordOf(copybook: string, options: LayoutOptions): RecordCodec {
  const layout = layoutOf(copybook, options)
  const fields = new Map<string, Reference & { readonly offset: number }>()
  const field = (name: string): Reference & { readonly offset: number } => {
    const known = fields.get(name)
    if (known !== undefined) return known
    const found = layout.field(name)
    const { offset } = found
    if (offset === undefined)
      throw new RangeError(`${name} stands behind a table whose length varies: its place is not known`)
    const placed = { ...found, offset }
    fields.set(name, placed)
    return placed
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

/** A way through a record, and where it has met each field: in tables the last time, which is this row. */
class Way {
  readonly bytes: Uint8Array
  at = 0
  readonly #met = new Map<Codec, number>()
  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  meet(codec: Codec): void {
    this.#met.set(codec, this.at)
    this.at += codec.bytes
  }
  /** Where it was met; else, for a field of another view, where it would be. */
  placeOf({ codec, name, offset }: Reference): number {
    const at = this.#met.get(codec) ?? offset
    if (at === undefined) throw new RangeError(`${name} is asked for, and is not in this record`)
    return at
  }
  read(reference: Reference): Scalar {
    const at = this.placeOf(reference)
    const { codec, name } = reference
    return located(name, at, () => codec.decode(this.bytes.subarray(at, at + codec.bytes)))
  }

  /** The view of shared bytes that holds: the first whose condition does, else the first that has none. */
  viewOf({ views }: Slot): View | undefined {
    const [first] = views
    if (views.length === 1 && first?.when === undefined) return first
    const holding = views.find(({ when }) => when !== undefined && when.is.includes(this.#said(when.field)))
    return holding ?? views.find(({ when }) => when === undefined)
  }

  #said(reference: Reference): string {
    const { codec } = reference
    if (this.#met.has(codec) || reference.offset === undefined) return String(this.read(reference))
    try {
      return String(this.read(reference))
    } catch (error) {
      if (error instanceof RangeError) return '' // the bytes are another view's
      throw error
    }
  }
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
  readonly #way: Way
  constructor(layout: Layout, bytes: Uint8Array) {
    this.#layout = layout
    this.#way = new Way(bytes)
  }

  value(): Json {
    const { root, minBytes, maxBytes } = this.#layout
    const { byteLength } = this.#way.bytes
    if (byteLength < minBytes || byteLength > maxBytes) {
      const wanted = minBytes === maxBytes ? `${maxBytes}` : `${minBytes} to ${maxBytes}`
      throw new RangeError(`the record has ${byteLength} bytes, its copybook ${wanted}`)
    }
    return this.#element(root)
  }

  #node(node: Node): Json {
    if (node.occurs === undefined) return this.#element(node)
    const rows: Json[] = []
    const count = this.#count(node)
    for (let row = 0; row < count; row += 1) rows.push(this.#element(node))
    return rows
  }

  #count({ name, occurs }: Node): number {
    const { min = 0, max = 0, counter } = occurs ?? {}
    if (counter === undefined) return max
    const count = Number(this.#way.read(counter) ?? Number.NaN)
    if (Number.isInteger(count) && count >= min && count <= max) return count
    throw new RangeError(`${counter.name} says there are ${count} of ${name}: ${min} to ${max} may be`)
  }

  #element(node: Node): Json {
    const { codec, name } = node
    if (codec === undefined) {
      const members: Members = {}
      this.#members(node, members)
      return members
    }
    const { at, bytes } = this.#way
    this.#way.meet(codec)
    if (at + codec.bytes > bytes.byteLength)
      throw new RangeError(
        `the record has ${bytes.byteLength} bytes and ends before ${name} does, at ${at + codec.bytes}`,
      )
    return located(name, at, () => codec.decode(bytes.subarray(at, at + codec.bytes)))
  }

  #members({ slots }: Node, members: Members): void {
    for (const slot of slots) {
      const start = this.#way.at
      const node = this.#way.viewOf(slot)?.node
      if (node?.member !== undefined) members[node.member] = this.#node(node)
      else if (node !== undefined && node.codec === undefined) this.#members(node, members)
      if (!slot.isVariable) this.#way.at = start + slot.bytes
    }
  }
}

class Encoding {
  readonly #layout: Layout
  readonly #way: Way
  constructor(layout: Layout, space: number) {
    this.#layout = layout
    // What a shorter view of shared bytes leaves over is spaces.
    this.#way = new Way(new Uint8Array(layout.maxBytes).fill(space))
  }

  bytes(data: Json): Uint8Array {
    this.#element(this.#layout.root, data)
    return this.#way.bytes.subarray(0, this.#way.at)
  }

  #node(node: Node, value: Json | undefined): void {
    if (node.occurs === undefined) return this.#element(node, value)
    const rows: readonly Json[] = rowsOf(node, value)
    const { min, max, counter } = node.occurs
    if (rows.length > max || (counter !== undefined && rows.length < min))
      throw new RangeError(
        `${node.name} has ${rows.length} rows: ${counter === undefined ? 0 : min} to ${max} may be`,
      )
    if (counter !== undefined) this.#counted(counter, rows.length)
    const count = counter === undefined ? max : rows.length
    for (let row = 0; row < count; row += 1) this.#element(node, rows[row])
  }

  /** The count is what there is; a caller need not say it, and may not say something else. */
  #counted(counter: Reference, count: number): void {
    const said = Number(this.#way.read(counter) ?? 0)
    if (said !== 0 && said !== count)
      throw new RangeError(`${counter.name} is ${said}, and there are ${count} rows`)
    this.#way.bytes.set(counter.codec.encode(count), this.#way.placeOf(counter))
  }

  #element(node: Node, value: Json | undefined): void {
    const { codec } = node
    if (codec !== undefined) {
      const { at, bytes } = this.#way
      this.#way.meet(codec)
      bytes.set(
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
    this.#members(node, given)
  }

  #members({ slots }: Node, given: Readonly<Members>): void {
    for (const slot of slots) {
      const start = this.#way.at
      const wanted = givenOf(slot, given)
      const node = (wanted ?? this.#way.viewOf(slot) ?? slot.views[0])?.node
      if (node?.member !== undefined) this.#node(node, own(given, node.member))
      else if (node?.codec !== undefined) this.#node(node, undefined)
      else if (node !== undefined) this.#members(node, given)
      if (wanted !== undefined) this.#checkSeen(wanted, slot)
      if (!slot.isVariable) this.#way.at = start + slot.bytes
    }
  }

  /** What was written must be what a reader will see there. */
  #checkSeen(wanted: View, slot: Slot): void {
    const condition = slot.views.find(({ when }) => when !== undefined)?.when
    if (condition === undefined || this.#way.viewOf(slot) === wanted) return
    throw new RangeError(
      `${wanted.node.name} is given, and ${condition.field.name} says that it is not there`,
    )
  }
}

/** Of shared bytes the view that data is given for. */
function givenOf({ views }: Slot, given: Readonly<Members>): View | undefined {
  const named = views.filter(({ node }) => membersOf(node).some((member) => own(given, member) !== undefined))
  if (named.length > 1)
    throw new RangeError(
      `${named.map(({ node }) => node.name).join(' and ')} share their bytes: give one of them`,
    )
  return named[0]
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
