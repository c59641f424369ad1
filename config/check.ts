// Runs a schema (Standard Schema: the core's own, or an adapter's) and turns its issues into problems with a place.
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import type { Schema, SchemaIssue, SchemaResult } from '../core/api.ts'
import { jsonSchemaOf, keysAt } from './json-schema.ts'
import { didYouMean, lowered } from './problems.ts'
import type { Path } from './problems.ts'
import { valueAt } from './report.ts'
import type { Report } from './report.ts'

export interface CheckOptions {
  /** Keys that may stand there beside the schema's own. */
  readonly beside?: (at: Path) => readonly string[]
  /** Takes over the report of an unknown key at the top. */
  readonly unknownKey?: (key: string) => boolean
  /** The schema is not ours: look for keys that it drops without a word. */
  readonly foreign?: boolean
}

/** The schema's output, or undefined after everything that is wrong has been reported. */
export function check<T>(
  schema: Schema<T>,
  subject: { readonly value: unknown; readonly path: Path },
  report: Report,
  options: CheckOptions = {},
): { readonly value: T } | undefined {
  const { path } = subject
  const { result, value } = validateWithReadings(schema, subject, report)
  const issues = (result.issues ?? []).flatMap(flatten)
  for (const issue of issues) reportIssue({ issue, schema, value, path }, report, options)
  if (result.issues !== undefined) return undefined
  if (options.foreign !== true) return { value: result.value }

  const dropped = droppedKeys(schema, value, result.value)
  for (const key of dropped) reportUnknown({ schema, path, at: [], key }, report, options)
  return dropped.length === 0 ? { value: result.value } : undefined
}

// ─── Validation ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** `port: ${PORT}` is a text, and becomes a number only where the schema refuses the text and takes the number. */
function validateWithReadings<T>(
  schema: Schema<T>,
  subject: { readonly value: unknown; readonly path: Path },
  report: Report,
): { readonly result: SchemaResult<T>; readonly value: unknown } {
  let { value } = subject
  let result = validate(schema, value)
  for (const issue of (result.issues ?? []).flatMap(flatten)) {
    const reading = report.tree.place([...subject.path, ...issue.path])?.reading
    if (reading === undefined || typeof valueAt(value, issue.path) !== 'string') continue
    const other = replaced(value, issue.path, reading)
    const again = validate(schema, other)
    const still = (again.issues ?? []).flatMap(flatten).some((each) => samePath(each.path, issue.path))
    if (still) continue
    value = other
    result = again
  }
  return { result, value }
}

function validate<T>(schema: Schema<T>, value: unknown): SchemaResult<T> {
  let result: SchemaResult<T> | Promise<SchemaResult<T>>
  try {
    result = schema['~standard'].validate(value)
  } catch (error) {
    return { issues: [{ message: `the adapter's schema failed: ${messageOf(error)}` }] }
  }
  if (!('then' in result)) return result
  // Nobody waits for it; without a handler its rejection would end the process.
  result.then(
    () => undefined,
    () => undefined,
  )
  return { issues: [{ message: whyLater(schema, value) }] }
}

/** zod answers later as well when a check throws; its `safeParse` throws that. */
function whyLater(schema: unknown, value: unknown): string {
  try {
    if (schema instanceof z.ZodType) schema.safeParse(value)
  } catch (error) {
    if (!(error instanceof z.core.$ZodAsyncError)) return `the adapter's schema failed: ${messageOf(error)}`
  }
  return "the adapter's schema answers later (a promise): it must answer at once"
}

/**
 * Top-level keys that the schema takes and forgets (zod's `object` instead of `strictObject`). A key is one of these if
 * the schema does not name it, and its value does not matter: something no schema allows gives the same output.
 */
function droppedKeys(schema: Schema<unknown>, input: unknown, output: unknown): readonly string[] {
  if (!isRecord(input) || !isRecord(output)) return []
  const json = jsonSchemaOf(schema)
  const named = json === undefined ? [] : keysAt(json, [])
  const missing = Object.keys(input).filter((key) => !Object.hasOwn(output, key) && !named.includes(key))
  return missing.filter((key) => {
    const again = validate(schema, replaced(input, [key], Symbol('no such value')))
    return again.issues === undefined && isDeepStrictEqual(again.value, output)
  })
}

function replaced(root: unknown, path: readonly PropertyKey[], value: unknown): unknown {
  const [step, ...rest] = path
  if (step === undefined) return value
  const inner = replaced(valueAt(root, [step]), rest, value)
  if (Array.isArray(root)) return root.map((item: unknown, index) => (index === Number(step) ? inner : item))
  const copy: Record<PropertyKey, unknown> = Object.create(null) // null prototype: names come from the file
  return Object.assign(copy, root, { [step]: inner })
}

// ─── Issues ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** An issue with what zod adds to the standard's two members; other vendors' have none of it. */
interface Issue {
  readonly message: string
  readonly path: Path
  readonly code?: string
  readonly keys?: readonly string[]
  readonly values?: readonly string[]
  readonly offset?: number
}

/** Of alternatives (`invalid_union`) the one that the value comes nearest to, if there is one. */
function flatten(raw: SchemaIssue): readonly Issue[] {
  const path = (raw.path ?? []).map((step) => stepOf(typeof step === 'object' ? step.key : step))
  const code = memberOf(raw, 'code')
  const errors = memberOf(raw, 'errors')
  if (code === 'invalid_union' && Array.isArray(errors)) {
    const alternatives = errors.filter(isIssueList).map((issues) => issues.flatMap(flatten))
    const possible = alternatives.filter((issues) => issues.length > 0 && !issues.some(isWrongForm))
    const [nearest] = possible.sort((a, b) => a.length - b.length)
    if (nearest !== undefined) return nearest.map((each) => ({ ...each, path: [...path, ...each.path] }))
  }
  const inner = memberOf(raw, 'issues')
  const [first] = code === 'invalid_key' && isIssueList(inner) ? inner : []
  const keys = memberOf(raw, 'keys')
  const values = memberOf(raw, 'values')
  const offset = memberOf(memberOf(raw, 'params'), 'offset')
  return [
    {
      message: first?.message ?? raw.message,
      path,
      ...(typeof code === 'string' && { code }),
      ...(Array.isArray(keys) && { keys: keys.map(String) }),
      ...(Array.isArray(values) && { values: values.map(String) }),
      ...(typeof offset === 'number' && { offset }),
    },
  ]
}

function isWrongForm(issue: Issue): boolean {
  return issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value')
}

interface Subject {
  readonly issue: Issue
  readonly schema: Schema<unknown>
  readonly value: unknown
  /** Of the value in the file. */
  readonly path: Path
}

function reportIssue({ issue, schema, value, path }: Subject, report: Report, options: CheckOptions): void {
  if (issue.code === 'unrecognized_keys' && issue.keys !== undefined) {
    for (const key of issue.keys) reportUnknown({ schema, path, at: issue.path, key }, report, options)
    return
  }
  const full = [...path, ...issue.path]
  const given = valueAt(value, issue.path)
  const name = issue.path.at(-1)
  if (given === undefined && name !== undefined && issue.code !== 'custom') {
    report.add(full.slice(0, -1), `${JSON.stringify(name)} is missing`, 'key')
    return
  }
  if (issue.code === 'invalid_key') {
    report.add(full, lowered(issue.message), 'key')
    return
  }
  const shown = isRecord(given) || Array.isArray(given) ? undefined : report.show(full, given)
  const told =
    issue.offset !== undefined || (typeof given === 'string' && issue.message.includes(shown ?? ''))
  const quoted = shown === undefined || told ? '' : `${shown}: `
  const hint = typeof given === 'string' ? didYouMean(given, issue.values ?? []) : ''
  report.add(full, `${quoted}${lowered(issue.message)}${hint}`, issue.offset ?? 'value')
}

interface UnknownKey {
  readonly schema: Schema<unknown>
  /** Of the value in the file. */
  readonly path: Path
  /** Of the map that holds the key, below it. */
  readonly at: Path
  readonly key: string
}

function reportUnknown({ schema, path, at, key }: UnknownKey, report: Report, options: CheckOptions): void {
  if (at.length === 0 && options.unknownKey?.(key) === true) return
  const json = jsonSchemaOf(schema)
  const own = json === undefined ? [] : keysAt(json, at)
  report.unknownKey([...path, ...at, key], [...own, ...(options.beside?.(at) ?? [])])
}

function stepOf(step: PropertyKey): string | number {
  return typeof step === 'symbol' ? String(step) : step
}

function samePath(a: Path, b: Path): boolean {
  return a.length === b.length && a.every((step, index) => String(step) === String(b[index]))
}

function memberOf(value: unknown, name: string): unknown {
  return valueAt(value, [name])
}

function isIssueList(value: unknown): value is readonly SchemaIssue[] {
  return Array.isArray(value) && value.every((each) => typeof memberOf(each, 'message') === 'string')
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
