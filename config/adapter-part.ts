// The adapter's part of a component: the adapter is found and its own schema asked.
import { createHash } from 'node:crypto'
import type { Adapter, Component } from '../core/api.ts'
import { check } from './check.ts'
import type { ComponentConfig } from './config.ts'
import { functionFault } from './expressions.ts'
import type { Files, FormatsAt } from './files.ts'
import { formatsOf, jsonSchemaOf } from './json-schema.ts'
import { didYouMean } from './problems.ts'
import type { Path } from './problems.ts'
import type { Report } from './report.ts'
import { agentKeys, backendKeys, backendOperation, channelKeys } from './schema.ts'

export type Fields = Readonly<Record<string, unknown>>

export interface Context {
  readonly report: Report
  readonly adapters: ReadonlyMap<string, Adapter>
  /** How the adapter of a plugin's file is named, by the file's name without its ending. */
  readonly pluginNames: ReadonlyMap<string, string>
  readonly files: Files
}

export interface Part {
  readonly id: string
  /** Everything below the name, for the hash. */
  readonly raw: Fields
  readonly path: Path
  /** What the adapter's schema sees, with files as they are written. */
  readonly config: unknown
  /** What the operations hold for the adapter, by operation. */
  readonly left?: Readonly<Record<string, Fields>>
}

const keysOf: Readonly<Record<'channel' | 'backend' | 'agent', readonly string[]>> = {
  channel: [...Object.keys(channelKeys.shape), 'operations'],
  backend: [...Object.keys(backendKeys.shape), 'operations'],
  agent: Object.keys(agentKeys.shape),
}

/** What every component has, by its adapter's word; undefined after what is wrong was reported. */
export function adapterPart(
  role: 'channel' | 'backend' | 'agent',
  part: Part,
  context: Context,
): ComponentConfig | undefined {
  const { report, files } = context
  const { id, raw, path, left = {} } = part
  const { adapter } = raw
  if (typeof adapter !== 'string' || adapter === '') return undefined // reported by the core's part
  const component = findComponent(role, { adapter, path }, context)
  if (component === undefined) return undefined
  const json = jsonSchemaOf(component.config)
  const theirs: FormatsAt = json === undefined ? () => [] : formatsOf(json)
  const config = files.absolute(part.config, path, theirs)
  const operationKeys = Object.keys(backendOperation.shape)
  const checked = check(component.config, { value: config, path }, report, {
    foreign: true,
    beside: (at) => {
      if (at.length === 0) return keysOf[role]
      return role === 'backend' && at.length === 2 && at[0] === 'operations' ? operationKeys : []
    },
    // This adapter's operations have no keys of their own: what is left in them is what nobody knows.
    unknownKey: (key) => {
      if (role !== 'backend' || key !== 'operations') return false
      for (const [name, keys] of Object.entries(left)) {
        for (const unknown of Object.keys(keys))
          report.unknownKey([...path, 'operations', name, unknown], operationKeys)
      }
      return true
    },
  })
  for (const [at, text] of textsIn(part.config)) {
    const fault = theirs(at).includes('jsonata') ? functionFault(text) : undefined
    if (fault !== undefined) report.add([...path, ...at], fault.message, fault.offset)
  }
  if (checked === undefined) return undefined
  for (const notice of component.review?.(checked.value).notices ?? [])
    report.notice([...path, ...notice.path], notice.message)
  const own = Object.entries(raw).filter(([key]) => key === 'adapter' || !keysOf[role].includes(key))
  return {
    id,
    adapter,
    config: checked.value,
    hash: hashOf(files.stamped(raw, (at) => [...theirs(at), ...(role === 'channel' ? [] : tlsFormats(at))])),
    definition: hashOf(files.stamped({ ...Object.fromEntries(own), operations: left }, theirs)),
  }
}

/** Of the core's own keys (`tls` says itself what is wrong with its files). */
function tlsFormats(at: Path): readonly string[] {
  return /^tls\.(?:ca|cert|key)$/u.test(at.join('.')) ? ['file'] : []
}

/** All operations of a backend, where its adapter can tell them by the config alone. */
export function offeredBy(
  { adapter, config }: Pick<ComponentConfig, 'adapter' | 'config'>,
  adapters: ReadonlyMap<string, Adapter>,
): readonly string[] | undefined {
  return adapters.get(adapter)?.backend?.review?.(config).operations
}

/** The adapter's word for whether an operation of a backend is safe, where it can tell by the config alone. */
export function isSafeBy(
  { adapter, config }: Pick<ComponentConfig, 'adapter' | 'config'>,
  adapters: ReadonlyMap<string, Adapter>,
): (operation: string) => boolean | undefined {
  return adapters.get(adapter)?.backend?.review?.(config).isSafe ?? (() => undefined)
}

function findComponent(
  role: 'channel' | 'backend' | 'agent',
  { adapter, path }: { readonly adapter: string; readonly path: Path },
  { report, adapters, pluginNames }: Pick<Context, 'report' | 'adapters' | 'pluginNames'>,
): Component<unknown> | undefined {
  const at = [...path, 'adapter']
  const found = adapters.get(adapter)
  const fitting = [...adapters.values()].filter((each) => each[role] !== undefined).map(({ name }) => name)
  const shown = report.show(at, adapter) ?? 'this'
  const named = pluginNames.get(adapter)
  if (found === undefined && named !== undefined) {
    report.add(
      at,
      `no adapter is named ${shown}: the plugin of that file names itself ${JSON.stringify(named)}`,
    )
    return undefined
  }
  if (found === undefined) {
    const hint = didYouMean(adapter, fitting)
    const known = hint === '' && fitting.length > 0 ? `: known are ${fitting.toSorted().join(', ')}` : hint
    report.add(at, `no adapter is named ${shown}${known}`)
    return undefined
  }
  if (found[role] === undefined) {
    const offered = (['channel', 'backend', 'agent'] as const).filter((each) => found[each] !== undefined)
    report.add(at, `adapter ${shown} is no ${role}, only ${offered.join(' and ')}`)
  }
  return found[role]
}

function textsIn(value: unknown, at: Path = []): readonly (readonly [Path, string])[] {
  if (typeof value === 'string') return [[at, value]]
  if (Array.isArray(value)) return value.flatMap((member, index) => textsIn(member, [...at, index]))
  if (!isFields(value)) return []
  return Object.entries(value).flatMap(([name, member]) => textsIn(member, [...at, name]))
}

/** Of the JSON text with the keys in order: the same for the same content, however it is written. */
function hashOf(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(value)))
    .digest('hex')
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isFields(value)) return value
  const names = Object.keys(value).sort()
  return Object.fromEntries(names.map((name) => [name, sorted(value[name])]))
}

/** Whether it is a map. */
export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
