// What one client may do: its own topics, those that the config maps, and nothing else. `$SYS`, `$share` and wildcards beyond are closed.
import type { Hub } from './hub.ts'
import type { Mapping } from './mapping.ts'
import type { Session } from './session.ts'
import { covers, filterProblem, topicProblem } from './topics.ts'

export interface Grants {
  /** Where the frames go, of a client whose id can stand in a topic. */
  readonly frames: { readonly device: string; readonly up: string; readonly down: string } | undefined
  /** Where it is told what was refused for good. */
  readonly errorTopic: string
  /** A will is no frame: what it would say, the gateway sees. */
  mayPublish(topic: string, will: boolean): boolean
  maySubscribe(filter: string): boolean
}

export interface GrantOptions {
  readonly hub: Hub
  readonly mapping: Mapping
  /** `subscribe` of the config. */
  readonly subscribe: readonly string[]
}

const PREFIX = 'dragoman/v1'
export const UP = `${PREFIX}/{device}/up`
export const DOWN = `${PREFIX}/{device}/down`
/** What can stand as one level of a topic, and be read in a log. */
const LEVEL = /^[\w.:~@=-]{1,128}$/u

export function grantsOf(
  { id, who }: Pick<Session, 'id' | 'who'>,
  { hub, mapping, subscribe }: GrantOptions,
): Grants {
  const own = LEVEL.test(id) ? id : undefined
  const frames =
    own === undefined
      ? undefined
      : { device: own, up: UP.replace('{device}', own), down: DOWN.replace('{device}', own) }
  const errorTopic = `${PREFIX}/${own ?? '-'}/error`
  const program = who.role === 'program'
  const granted = subscribe.flatMap((filter) => {
    if (!filter.includes('{')) return program ? [filter] : []
    const identity = LEVEL.test(who.id) && !program ? who.id : undefined
    if (filter.includes('{identity}') && identity === undefined) return []
    if (filter.includes('{client}') && own === undefined) return []
    return [filter.replaceAll('{identity}', identity ?? '').replaceAll('{client}', own ?? '')]
  })
  return {
    frames,
    errorTopic,
    mayPublish(topic, will) {
      if (topicProblem(topic) !== undefined || topic.startsWith('$')) return false
      if (topic === frames?.up) return !will
      // What answers a backend is a program, never a customer.
      return mapping.has(topic) || (program && hub.isAwaited(topic))
    },
    maySubscribe(filter) {
      if (filterProblem(filter) !== undefined || filter.startsWith('$')) return false
      if (frames !== undefined && (filter === frames.down || filter === errorTopic)) return true
      return granted.some((wide) => covers(wide, filter)) || (program && hub.goesOut(filter))
    },
  }
}
