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
    const expressions = expressionsIn(fill(mark), formats(path))
    if (expressions.length === 0) return value
    const inLiteral = new Set(expressions.flatMap(inLiterals))
    return fill((text, index) => (inLiteral.has(index) ? escaped(text) : text))
  }
  return { ...tree, root: changed(tree.root, []) }
}

// Of characters that no file may hold (`reservedCharacter`); alone it is a name.
const MARK = /\uF8F0(\d+)\uF8F1/gu

function mark(_text: string, index: number): string {
  return `\uF8F0${index}\uF8F1`
}

function expressionsIn(text: string, formats: readonly string[]): readonly string[] {
  if (formats.includes('jsonata')) return [text]
  if (!formats.includes('jsonata-template')) return []
  return [...text.matchAll(/\{\{(.*?)\}\}/gsu)].map(([, expression = '']) => expression)
}

/** The variables in literals; none of what is no expression without their values. */
function inLiterals(source: string): readonly number[] {
  let found: readonly unknown[] = []
  try {
    found = [jsonata(source).ast()]
  } catch {
    return [] // whoever compiles it with the values says what is wrong
  }
  const indexes: number[] = []
  while (found.length > 0) {
    const nodes = found.filter((each) => typeof each === 'object' && each !== null)
    for (const { value, position } of nodes as { value?: unknown; position?: unknown }[])
      // members of objects may be missing
      if (
        typeof value === 'string' &&
        typeof position === 'number' &&
        /["']/u.test(source[position - 1] ?? '')
      )
        indexes.push(...[...value.matchAll(MARK)].map(([, index]) => Number(index)))
    found = nodes.flatMap((each) => Object.values(each))
  }
  return indexes
}

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
