// A backend's `channel: NAME`: the adapter gets that channel's own part instead of the name.
import type { Schema } from '../core/api.ts'
import { isFields } from './adapter-part.ts'
import type { Context, Fields } from './adapter-part.ts'
import type { Resolved } from './components.ts'
import type { ChannelConfig } from './config.ts'
import { jsonSchemaOf } from './json-schema.ts'
import { didYouMean } from './problems.ts'
import type { Path } from './problems.ts'

const KEY = 'channel'

/** What an adapter's schema sees where its key `channel` has the format `channel` (`.meta({ type: 'string', format: 'channel' })`). */
export interface NamedChannel {
  readonly id: string
  /** What that channel's own schema made of its keys. */
  readonly config: unknown
}

export interface Named {
  /** The adapter's keys with the channel in its place. */
  readonly theirs: Fields
  /** Everything below the backend's name, and the channel's hash: the backend changes when its channel does. */
  readonly raw: Fields
  /** Its name. */
  readonly channel?: string
}

/** As they are where the adapter has no such key. Undefined after what is wrong was reported, here or at the channel. */
export function withNamedChannel(
  { theirs, raw, path }: Named & { readonly path: Path },
  channels: Resolved<ChannelConfig>,
  { report, adapters }: Context,
): Named | undefined {
  const name = theirs[KEY]
  const adapter = raw['adapter']
  const schema = typeof adapter === 'string' ? adapters.get(adapter)?.backend?.config : undefined
  if (typeof name !== 'string' || schema === undefined || !takesChannel(schema)) return { theirs, raw }
  const at = [...path, KEY]
  const shown = report.show(at, name) ?? 'this'
  if (!channels.has(name)) {
    report.add(at, `no channel is named ${shown}${didYouMean(name, channels.keys())}`)
    return undefined
  }
  const found = channels.get(name)
  if (found === undefined) return undefined
  if (found.adapter !== adapter) {
    report.add(at, `channel ${shown} has the adapter "${found.adapter}", not "${String(adapter)}"`)
    return undefined
  }
  const named: NamedChannel = { id: name, config: found.config }
  return { theirs: { ...theirs, [KEY]: named }, raw: { ...raw, [KEY]: [name, found.hash] }, channel: name }
}

function takesChannel(schema: Schema<unknown>): boolean {
  const properties = jsonSchemaOf(schema)?.['properties']
  const key = isFields(properties) ? properties[KEY] : undefined
  return isFields(key) && key['format'] === 'channel'
}
