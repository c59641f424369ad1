// What one client may do: its own topics, those that the config maps, and nothing else. `$SYS`, `$share` and wildcards beyond are closed.
import { isSame } from './broker.ts'
import type { Hub } from './hub.ts'
import type { Mapping, Owner } from './mapping.ts'
import type { Session } from './session.ts'
import { covers, filterOf, filterProblem, topicProblem } from './topics.ts'

/** What the grants of all clients of a channel are made of. */
export interface GrantOptions {
  readonly hub: Hub
  readonly mapping: Mapping
  /** `subscribe` of the config. */
  readonly subscribe: readonly string[]
}

type Client = Pick<Session, 'id' | 'who'>

const PREFIX = 'dragoman/v1'
export const UP = `${PREFIX}/{device}/up`
export const DOWN = `${PREFIX}/{device}/down`
/** What can stand as one level of a topic, and be read in a log. */
const LEVEL = /^[\w.:~@=-]{1,128}$/u

// Made anew where they are asked for: there are thousands of clients, and most hold still.

/** Where the frames of a client come; a client whose id cannot stand in a topic has none. */
export function upOf(id: string): string | undefined {
  return LEVEL.test(id) ? `${PREFIX}/${id}/up` : undefined
}

/** Where the frames for it go. */
export function downOf(id: string): string | undefined {
  return LEVEL.test(id) ? `${PREFIX}/${id}/down` : undefined
}

/** Where it is told what was refused for good. */
export function errorTopicOf(id: string): string {
  return `${PREFIX}/${LEVEL.test(id) ? id : '-'}/error`
}

/** A will is no frame: what it would say, the gateway sees. */
export function mayPublish(
  { id, who }: Client,
  to: { topic: string; will: boolean },
  options: GrantOptions,
): boolean {
  const { topic, will } = to
  if (topicProblem(topic) !== undefined || topic.startsWith('$')) return false
  if (topic === upOf(id)) return !will
  // What answers a backend is a program, never a customer.
  return options.mapping.has(topic) || (who.role === 'program' && options.hub.isAwaited(topic))
}

export function maySubscribe(client: Client, filter: string, { hub, subscribe }: GrantOptions): boolean {
  const { id, who } = client
  if (filterProblem(filter) !== undefined || filter.startsWith('$')) return false
  const down = downOf(id)
  if (down !== undefined && (filter === down || filter === errorTopicOf(id))) return true
  return (
    subscribe.some((pattern) => {
      const wide = filterFor(client, pattern)
      return wide !== undefined && covers(wide, filter)
    }) ||
    (who.role === 'program' && hub.goesOut(filter))
  )
}

/** Whether answers to this client may go to a topic: a customer's never to one that `subscribe` of the config gives to another client or customer. */
export function mayBeAnswered(client: Client, topic: string, options: GrantOptions): boolean {
  const isSomebodys = options.subscribe.some(
    (pattern) => pattern.includes('{') && covers(filterOf(pattern), topic),
  )
  return client.who.role !== 'customer' || !isSomebodys || maySubscribe(client, topic, options)
}

/** Whether a reply to a topic that a client subscribes to is for him: its client id may have been another customer's when that one asked (SEMANTICS 9). */
export function mayHear(who: Owner, owner: Owner | undefined): boolean {
  return owner === undefined || who.role !== 'customer' || isSame(who, owner)
}

/** What `subscribe` of the config grants to this client, if anything. */
function filterFor({ id, who }: Client, pattern: string): string | undefined {
  const isProgram = who.role === 'program'
  if (!pattern.includes('{')) return isProgram ? pattern : undefined
  if (pattern.includes('{identity}') && (isProgram || !LEVEL.test(who.id))) return undefined
  if (pattern.includes('{client}') && !LEVEL.test(id)) return undefined
  return pattern.replaceAll('{identity}', who.id).replaceAll('{client}', id)
}
