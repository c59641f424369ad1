// What is answered for a message or event that was stored: the response element, filled from what is known.
import type { Accepted, Json, Part } from 'dragoman'
import type { ElementDecl, Particle, TypeDecl } from '../xml/schema.ts'
import type { MessageCodec } from './messages.ts'

type Fact = string | number | boolean

/**
 * Fills an output message from an acceptance: the reply's data if there is any, else members by their names: `id`,
 * `messageId`, `conversation`, `conversationId`, `sequence`, `duplicate`, `text` (also `reply`, `answer`), `status`
 * (`answered` or `accepted`), `success` (true); in any case of letters, at any depth of single wrappers. A lone text
 * member of another name holds the reply's text, else the id. Parts of rpc are members. What cannot be known is nil
 * where the schema requires it and allows that, else left out. Without an output nothing is filled.
 */
export function acknowledgement(
  accepted: Accepted,
  output: Pick<MessageCodec, 'style' | 'declarations'> | undefined,
): Json {
  const { reply } = accepted
  if (reply?.data !== undefined) return reply.data
  const text = replyText(reply?.parts)
  const facts = new Map<string, Fact>([
    ['id', accepted.id],
    ['messageid', accepted.id],
    ['conversation', accepted.conversation],
    ['conversationid', accepted.conversation],
    ['sequence', accepted.sequence],
    ['duplicate', accepted.duplicate],
    ['status', reply === undefined ? 'accepted' : 'answered'],
    ['success', true],
    ['accepted', true],
    ...(text === undefined
      ? []
      : (['text', 'reply', 'answer'] as const).map((name): [string, Fact] => [name, text])),
  ])
  const { style, declarations = [] } = output ?? {}
  const lone = text ?? accepted.id
  if (style === 'rpc') return fillMembers(declarations, facts, { lone, depth: 0 })
  const [only] = declarations
  return only === undefined ? {} : (fill(only.type, facts, { lone, depth: 0 }) ?? {})
}

/** The same without a schema: the facts themselves. */
export function plainAcknowledgement({ id, conversation, sequence, reply }: Accepted): Json {
  if (reply?.data !== undefined) return reply.data
  const text = replyText(reply?.parts)
  return { id, conversation, sequence, ...(text === undefined ? {} : { text }) }
}

function replyText(parts: readonly Part[] | undefined): string | undefined {
  return parts === undefined || parts.length === 0 ? undefined : parts.map(({ text }) => text).join('\n')
}

interface Fill {
  /** What a single text member of any name gets. */
  readonly lone: string
  readonly depth: number
}

function fill(type: TypeDecl, facts: ReadonlyMap<string, Fact>, context: Fill): Json | undefined {
  if (type.kind === 'simple') return isText(type) ? context.lone : undefined
  if (type.particle === undefined) return fillMembers([], facts, context)
  const nils = requiredOf(type.particle).filter(({ nillable }) => nillable)
  return {
    ...Object.fromEntries(nils.map(({ name }) => [name.local, null])),
    ...fillMembers(elementsOf(type.particle), facts, context),
  }
}

function fillMembers(
  members: readonly ElementDecl[],
  facts: ReadonlyMap<string, Fact>,
  { lone, depth }: Fill,
): Readonly<Record<string, Json>> {
  const filled: [string, Json][] = []
  for (const decl of members) {
    const fact = facts.get(decl.name.local.toLowerCase())
    if (fact !== undefined && fits(fact, decl.type))
      filled.push([decl.name.local, isText(decl.type) ? String(fact) : fact])
  }
  const [single] = members
  if (filled.length === 0 && members.length === 1 && single !== undefined && depth < 3) {
    const inner = fill(single.type, facts, { lone, depth: depth + 1 })
    if (inner !== undefined) filled.push([single.name.local, inner])
  }
  return Object.fromEntries(filled)
}

function elementsOf(particle: Particle): ElementDecl[] {
  if (particle.kind === 'element') return particle.max > 1 ? [] : [particle.decl]
  return particle.kind === 'any' || particle.kind === 'choice' ? [] : particle.items.flatMap(elementsOf)
}

function requiredOf(particle: Particle): ElementDecl[] {
  if (particle.min === 0 || particle.kind === 'any' || particle.kind === 'choice') return []
  return particle.kind === 'element' ? [particle.decl] : particle.items.flatMap(requiredOf)
}

function fits(fact: Fact, type: TypeDecl): boolean {
  if (type.kind !== 'simple' || type.variety !== 'atomic') return false
  if (typeof fact === 'boolean')
    return type.builtin === 'boolean' || (type.builtin === 'string' && isText(type))
  if (typeof fact === 'number')
    return /^(?:int|integer|long|nonNegativeInteger|unsigned(?:Int|Long)|decimal|string)$/.test(type.builtin)
  return isText(type)
}

function isText(type: TypeDecl): boolean {
  if (type.kind !== 'simple' || type.variety !== 'atomic') return false
  const restricted = Object.keys(type.facets).length > 0
  return !restricted && /^(?:string|normalizedString|token|anyURI|anySimpleType)$/.test(type.builtin)
}
