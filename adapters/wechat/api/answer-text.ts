// The platform's JSON answers as plain data: no digit of a 64-bit id is lost.
import type { Json } from 'dragoman'

export type Fields = { readonly [field: string]: Json }

/** Parses an answer. Undefined where it is not a JSON object. */
export function parseFields(bytes: Uint8Array): Fields | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes), exact)
    return isFields(value) ? value : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** A JSON object: neither null nor a list. */
export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A member that is a text; anything else is not there. */
export function textIn(fields: Fields, name: string): string | undefined {
  const value = Object.hasOwn(fields, name) ? fields[name] : undefined
  return typeof value === 'string' ? value : undefined
}

/** A member that is a number, or the text of one. */
export function numberIn(fields: Fields, name: string): number | undefined {
  const value = Object.hasOwn(fields, name) ? fields[name] : undefined
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined
}

// DESIGN §3: what a double would change stays the text it was.
function exact(_name: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || context?.source === undefined) return value
  const kept = String(value) === context.source && (!Number.isInteger(value) || Number.isSafeInteger(value))
  return kept ? value : context.source
}
