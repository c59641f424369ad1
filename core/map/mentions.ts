// Whether the expressions a request passes name a member: a value they choose by may come out the same by chance.
import type { BackendSettings, ChannelSettings } from '../settings.ts'
import type { Passage } from './passage.ts'

export interface Passed {
  readonly channel: ChannelSettings
  readonly backend: BackendSettings | undefined
  readonly passage: Passage
}

/** Of the channel's operation, of the route, and of the backend's operation. */
export function mentionsOf({ channel, backend, passage }: Passed): (member: string) => boolean {
  const { operation = '', route, target } = passage
  const { when, operation: renamed, params, reply } = route?.config ?? {}
  const called = target?.kind === 'backend' ? target.operation : ''
  const texts = [
    ...textsIn(own(channel.operations, operation)),
    ...textsIn([renamed, params, reply]),
    ...textsIn(ownOf(ownOf(backend?.config, 'operations'), called)),
    ...textsIn(ownOf(ownOf(backend?.config, 'operations'), '*')),
  ].join('\n')
  return (member) => {
    if (member === '') return false
    const name = member.replaceAll(/[^\p{L}\p{N}_]/gu, String.raw`\$&`)
    // The message has members of such names itself; in a predicate only those below `data` are meant.
    const inPredicate = when !== undefined && new RegExp(`\\bdata\\.${name}(?!\\w)`).test(when)
    return inPredicate || new RegExp(`(?<!\\w)${name}(?!\\w)`).test(texts)
  }
}

function textsIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : []
}

function own(table: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(table, name) ? table[name] : undefined
}

function ownOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  return (value as Readonly<Record<string, unknown>>)[name] // an object that has this own member
}
