// Variables inside JSONata: a value that stands in a text literal of the expression stays text, whatever it holds.
import jsonata from 'jsonata'
import type { Adapter, Schema } from '../core/api.ts'
import { isFields } from './adapter-part.ts'
import type { FormatsAt } from './files.ts'
import { escaped } from './interpolate.ts'
import { formatsOf, jsonSchemaOf } from './json-schema.ts'
import type { Path } from './problems.ts'
import { valueAt } from './report.ts'
import { agentKeys, backendKeys, backendOperation, channelKeys, channelOperation, route } from './schema.ts'
import type { Tree } from './tree.ts'

/** The tree with each value escaped that stands in a literal. One outside of them, such as a whole expression, is put in as it is. */
export function withLiterals(tree: Tree, adapters: ReadonlyMap<string, Adapter>): Tree {
  const formats = formatsIn(tree.root, adapters)
  const changed = (value: unknown, path: Path): unknown => {
    if (Array.isArray(value)) return value.map((member, index) => changed(member, [...path, index]))
    if (isFields(value)) {
      const copy: Record<string, unknown> = Object.create(null) // null prototype: names come from the file
      for (const [name, member] of Object.entries(value)) copy[name] = changed(member, [...path, name])
      return copy
    }
    const fill = typeof value === 'string' ? tree.place(path)?.fill : undefined
    if (fill === undefined || fill(escaped) === value) return value
    const values: string[] = []
    const marked = fill((text, index) => {
      values[index] = text
      return `\uF8F0${index}\uF8F1`
    })
    const inLiteral = new Set(
      expressionsIn(marked, formats(path)).flatMap((each) => inLiterals(each, values)),
    )
    if (inLiteral.size === 0) return value
    return fill((text, index) => (inLiteral.has(index) ? escaped(text) : text))
  }
  return { ...tree, root: changed(tree.root, []) }
}

// Of characters that no file may hold (`reservedCharacter`).
const MARK = /\uF8F0(\d+)\uF8F1/gu

function expressionsIn(text: string, formats: readonly string[]): readonly string[] {
  if (formats.includes('jsonata')) return [text]
  if (!formats.includes('jsonata-template')) return []
  return [...text.matchAll(/\{\{(.*?)\}\}/gsu)].map(([, expression = '']) => expression)
}

/** The variables in literals that the file itself opens. What stands after a value with half of a literal is left as it is. */
function inLiterals(source: string, values: readonly string[]): readonly number[] {
  const indexes: number[] = []
  let before = ''
  let at = 0
  for (const { 0: mark, 1: digits, index: start } of source.matchAll(MARK)) {
    const index = Number(digits)
    const value = values[index] ?? ''
    before += source.slice(at, start)
    at = start + mark.length
    const isInside = endsInLiteral(before)
    if (isInside) indexes.push(index)
    before += isInside ? escaped(value) : value
    if (!isInside && endsInLiteral(before)) break
  }
  return indexes
}

/** Also false where the text is wrong before that: whoever compiles it says what. */
function endsInLiteral(source: string): boolean {
  try {
    jsonata(source)
    return false
  } catch (error) {
    return (error as { readonly code?: unknown }).code === UNTERMINATED // jsonata throws plain objects
  }
}

/** jsonata's "String literal must be terminated by a matching quote". */
const UNTERMINATED = 'S0101'

function formatsIn(root: unknown, adapters: ReadonlyMap<string, Adapter>): FormatsAt {
  const ask = (schema: Schema<unknown> | undefined, path: Path): readonly string[] => {
    const json = schema && jsonSchemaOf(schema)
    return json === undefined ? [] : formatsOf(json)(path)
  }
  return ([section, name, ...path]) => {
    if (section === 'routes') return ask(route, path)
    if (section !== 'channels' && section !== 'backends' && section !== 'agents') return []
    const { role, keys, operation } = OF[section]
    const adapter = valueAt(root, [section, name ?? '', 'adapter'])
    const component = typeof adapter === 'string' ? adapters.get(adapter)?.[role] : undefined
    const [first, , ...below] = path
    return [
      ...ask(keys, path),
      ...(first === 'operations' ? ask(operation, below) : []),
      ...ask(component?.config, path),
    ]
  }
}

const OF = {
  channels: { role: 'channel', keys: channelKeys, operation: channelOperation },
  backends: { role: 'backend', keys: backendKeys, operation: backendOperation },
  agents: { role: 'agent', keys: agentKeys, operation: undefined },
} as const
