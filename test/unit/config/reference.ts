// The tables of config/README.md, as the schemas say they must be.
import { z } from 'zod'
import { sections } from '../../../config/schema-sections.ts'
import {
  agentKeys,
  backendKeys,
  backendOperation,
  channelKeys,
  channelOperation,
  route,
} from '../../../config/schema.ts'
import { DURATION, SIZE } from '../../../config/units.ts'

type Node = Readonly<Record<string, unknown>>

/** Heading of the README → its table. */
export function referenceTables(): ReadonlyMap<string, string> {
  return new Map([
    ['The file', table(z.strictObject(sections), ['channels', 'backends', 'agents', 'routes'])],
    ['Every channel', table(channelKeys, ['operations'])],
    ['An operation of a channel', table(channelOperation)],
    ['Every backend', table(backendKeys, ['operations'])],
    ['An operation of a backend', table(backendOperation)],
    ['Every agent', table(agentKeys)],
    ['A route', table(route)],
  ])
}

/** What this page explains below for itself. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  channels: 'Who calls, by name: [every channel](#every-channel)',
  backends: 'Business systems, by name: [every backend](#every-backend)',
  agents: 'Who answers, by name: [every agent](#every-agent)',
  routes: 'Where a message goes, first match wins: [a route](#a-route)',
  operations: 'By name: see the next table',
}

function table(schema: z.ZodType, more: readonly string[] = []): string {
  const node = asNode(z.toJSONSchema(schema, { io: 'input' }))
  const rows = [
    ...rowsOf(node, ''),
    ...more.map((key) => row(key, key === 'routes' ? 'list' : 'map', '', ELSEWHERE[key] ?? '')),
  ]
  return ['| Key | Value | Default | Meaning |', '| --- | --- | --- | --- |', ...rows].join('\n')
}

function rowsOf(node: Node, prefix: string): readonly string[] {
  const required = Array.isArray(node['required']) ? node['required'] : []
  return Object.entries(asNode(node['properties'])).flatMap(([key, raw]) => {
    const child = asNode(raw)
    const { default: preset } = child
    const shown = preset === undefined || isEmpty(preset) ? '' : `\`${plain(preset)}\``
    const name = `${prefix}${key}`
    const own = row(
      name,
      kindOf(child),
      required.includes(key) ? 'required' : shown,
      plain(child['description'] ?? ''),
    )
    return [own, ...nested(child).flatMap(([map, below]) => rowsOf(map, `${name}.${below}`))]
  })
}

/** The maps below a key: its own keys, those of an alternative, those of every entry (`NAME`). */
function nested(node: Node): readonly (readonly [Node, string])[] {
  const alternatives = Array.isArray(node['anyOf']) ? node['anyOf'].map(asNode).flatMap(nested) : []
  const entries = asNode(node['additionalProperties'])
  const own: readonly (readonly [Node, string])[] = 'properties' in node ? [[node, '']] : []
  const named: readonly (readonly [Node, string])[] = 'properties' in entries ? [[entries, 'NAME.']] : []
  return [...own, ...named, ...alternatives]
}

function kindOf(node: Node): string {
  const { type, pattern, anyOf, minimum, maximum, format } = node
  if (format === 'jsonata') return 'JSONata'
  if (Array.isArray(anyOf)) return [...new Set(anyOf.map(asNode).map(kindOf))].join(' or ')
  if (Array.isArray(node['enum'])) return node['enum'].map((each) => `\`${String(each)}\``).join(', ')
  if (node['const'] !== undefined) return `\`${plain(node['const'])}\``
  if (pattern === DURATION.source) return 'duration'
  if (pattern === SIZE.source) return 'size'
  if (type === 'integer' || type === 'number') return `${String(minimum)} … ${String(maximum)}`
  if (type === 'array') return `list of ${kindOf(asNode(node['items']))}s`
  if (type === 'string') return 'text'
  if (type === 'boolean') return '`true`, `false`'
  return type === 'object' ? 'map' : 'anything'
}

function row(key: string, kind: string, preset: string, meaning: string): string {
  return `| \`${key}\` | ${kind} | ${preset} | ${meaning} |`
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}

function asNode(value: unknown): Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
}
