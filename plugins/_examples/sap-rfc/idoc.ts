// IDocs as XML: a control record and segments in segments. A segment may always come again, so it is a list.
import { createHash } from 'node:crypto'
import type { Json } from 'dragoman'
import { fieldIn, fieldOut } from './fields.ts'
import { put } from './values.ts'
import type { FieldTypes, Members } from './values.ts'
import { abapName, escapeXml, xmlName } from './xml.ts'
import type { Element } from './xml.ts'

export interface Idoc {
  /** The basic type or extension: `ORDERS05`. */
  readonly type: string
  /** DOCNUM, with the client it was made in where that is said: one number, one IDoc. */
  readonly id: string
  readonly data: Members
}

export const CONTROL = 'EDI_DC40'
const STYLE = { dates: 'plain', minus: 'behind' } as const
const MAX_IDOCS = 1000

/** Reads all IDocs of a document. Throws `RangeError` for what is none, or has no number. */
export function idocsIn(root: Element, types: FieldTypes): readonly Idoc[] {
  const type = abapName(root.name)
  if (root.children.length === 0 || root.children.some(({ name }) => name !== 'IDOC'))
    throw new RangeError(`${type.slice(0, 60)} is no IDoc: it needs one or more IDOC elements`)
  if (root.children.length > MAX_IDOCS) throw new RangeError(`it has more than ${MAX_IDOCS} IDocs`)
  return root.children.map((idoc, index) => {
    const data = segmentIn(idoc, types)
    const control = data[CONTROL]
    const [DOCNUM, MANDT] = [textIn(control, 'DOCNUM'), textIn(control, 'MANDT')]
    if (!/^\d{1,16}$/.test(DOCNUM))
      throw new RangeError(`IDoc ${index + 1} has no DOCNUM in ${CONTROL}: it could be taken twice`)
    const number = DOCNUM.padStart(16, '0')
    return { type, id: MANDT === '' ? number : `${MANDT}/${number}`, data }
  })
}

function textIn(control: Json | undefined, name: string): string {
  if (typeof control !== 'object' || control === null || Array.isArray(control)) return ''
  const value = (control as Members)[name] // an object that is no array
  return typeof value === 'string' ? value.trim() : ''
}

/** Fields are texts; what has the attribute SEGMENT, or elements in it, is a segment. */
function segmentIn(element: Element, types: FieldTypes): Record<string, Json> {
  const members: Record<string, Json> = {}
  const segments = new Map<string, Json[]>()
  for (const child of element.children) {
    const name = abapName(child.name)
    const isSegment = child.attributes.has('SEGMENT') || child.children.length > 0
    if (isSegment && child.text.trim() !== '') throw new RangeError(`${name} has text beside its fields`)
    if (name === CONTROL) {
      if (Object.hasOwn(members, CONTROL)) throw new RangeError(`${CONTROL} is there twice`)
      put(members, CONTROL, segmentIn(child, {}))
    } else if (isSegment) {
      const list = segments.get(name) ?? []
      if (list.length === 0) {
        if (Object.hasOwn(members, name)) throw new RangeError(`${name} is a field and a segment`)
        segments.set(name, list)
        put(members, name, list)
      }
      list.push(segmentIn(child, types))
    } else {
      if (Object.hasOwn(members, name)) throw new RangeError(`${name} is there twice`)
      put(members, name, fieldIn(child.text, typeOf(types, name)))
    }
  }
  return members
}

function typeOf(types: FieldTypes, name: string): FieldTypes[string] {
  return (Object.hasOwn(types, name) ? types[name] : undefined) ?? 'text'
}

/** The order of the control record's fields. */
const CONTROL_FIELDS = [
  'TABNAM MANDT DOCNUM DOCREL STATUS DIRECT OUTMOD EXPRSS TEST IDOCTYP CIMTYP MESTYP MESCOD MESFCT STD STDVRS STDMES',
  'SNDPOR SNDPRT SNDPFC SNDPRN SNDSAD SNDLAD RCVPOR RCVPRT RCVPFC RCVPRN RCVSAD RCVLAD CREDAT CRETIM REFINT REFGRP REFMES ARCKEY SERIAL',
].flatMap((line) => line.split(' '))

const MAX_DEPTH = 32

/** One IDoc. Members that are objects or lists are segments, others fields. Throws `RangeError`. */
export function idocXml(
  type: string,
  control: Readonly<Record<string, string>>,
  segments: Members,
  types: FieldTypes,
): string {
  const unknown = Object.keys(control).find((name) => !CONTROL_FIELDS.includes(name))
  if (unknown !== undefined) throw new RangeError(`${CONTROL} has no field ${unknown.slice(0, 60)}`)
  const fields = CONTROL_FIELDS.filter((name) => Object.hasOwn(control, name))
  const head = fields.map((name) => `<${name}>${escapeXml(control[name] ?? '')}</${name}>`).join('')
  const tag = xmlName(type)
  return `<?xml version="1.0" encoding="UTF-8"?><${tag}><IDOC BEGIN="1"><${CONTROL} SEGMENT="1">${head}</${CONTROL}>${segmentsOut(segments, types, 0)}</IDOC></${tag}>`
}

function segmentsOut(members: Members, types: FieldTypes, depth: number): string {
  if (depth > MAX_DEPTH) throw new RangeError(`segments are nested deeper than ${MAX_DEPTH}`)
  return Object.entries(members)
    .map(([name, value]) => {
      const tag = xmlName(name)
      const rows: readonly Json[] = Array.isArray(value) ? (value as readonly Json[]) : [value] // an array that is Json is one of Json
      return rows
        .map((row) => oneOut(tag, row, { name, types, depth, isList: Array.isArray(value) }))
        .join('')
    })
    .join('')
}

interface One {
  readonly name: string
  readonly types: FieldTypes
  readonly depth: number
  readonly isList: boolean
}

function oneOut(tag: string, value: Json, { name, types, depth, isList }: One): string {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return `<${tag} SEGMENT="1">${segmentsOut(value as Members, types, depth + 1)}</${tag}>` // an object that is no array
  if (isList) throw new RangeError(`${name}: a list holds segments, which are objects`)
  if (depth === 0) throw new RangeError(`${name} stands outside of every segment`)
  try {
    return `<${tag}>${escapeXml(fieldOut(value, typeOf(types, name), STYLE))}</${tag}>`
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new RangeError(`${name}: ${error.message}`, { cause: error })
  }
}

/** A number of sixteen digits that is the same for the same key, on any instance and after any restart. */
export function docnumOf(key: string): string {
  const digest = createHash('sha256').update(key).digest().readBigUInt64BE()
  return String(digest % 10n ** 16n).padStart(16, '0')
}
