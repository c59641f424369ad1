// What is answered for a message or event once it is durable.
import type { Accepted, Json } from 'dragoman'
import type { ElementDecl, Particle, TypeDecl } from '../xml/schema.ts'

type Fact = string | number | boolean

/**
 * Id, conversation and sequence of what was stored, whether it was there already, and the text of an answer that came in
 * time. Where the schema declares the response, its members of these names are filled (`id` also `messageId`, `text` also
 * `reply` and `answer`; `status`, `success`), and a lone text of any other name gets the answer's text, else the id.
 */
export function acknowledgement(
  { id, conversation, sequence, duplicate, reply }: Accepted,
  text: string | undefined,
  response: ElementDecl | undefined,
): Json {
  if (response === undefined)
    return { id, conversation, sequence, duplicate, ...(text !== undefined && { text }) }
  const said: readonly (readonly [string, Fact])[] =
    text === undefined
      ? []
      : [
          ['text', text],
          ['reply', text],
          ['answer', text],
        ]
  const facts = new Map<string, Fact>([
    ['id', id],
    ['messageid', id],
    ['conversation', conversation],
    ['conversationid', conversation],
    ['sequence', sequence],
    ['duplicate', duplicate],
    ['status', reply === undefined ? 'accepted' : 'answered'],
    ['success', true],
    ...said,
  ])
  return filled(response.type, { facts, lone: text ?? id, depth: 0 }) ?? {}
}

interface Filling {
  readonly facts: ReadonlyMap<string, Fact>
  readonly lone: string
  readonly depth: number
}

function filled(type: TypeDecl, filling: Filling): Json | undefined {
  const { facts, lone, depth } = filling
  if (type.kind === 'simple') return isText(type) ? lone : undefined
  const members = type.particle === undefined ? [] : singles(type.particle)
  const known = members.flatMap(({ name, type: member }): [string, Json][] => {
    const fact = facts.get(name.local.toLowerCase())
    if (fact === undefined) return []
    const value = isText(member) ? String(fact) : fitting(fact, member)
    return value === undefined ? [] : [[name.local, value]]
  })
  const [only, ...more] = members
  if (known.length > 0 || only === undefined || more.length > 0 || depth > 2) return Object.fromEntries(known)
  const inner = filled(only.type, { ...filling, depth: depth + 1 })
  return inner === undefined ? {} : Object.fromEntries([[only.name.local, inner]])
}

/** Elements that come at most once, outside any choice. */
function singles(particle: Particle): readonly ElementDecl[] {
  if (particle.kind === 'element') return particle.max > 1 ? [] : [particle.decl]
  return particle.kind === 'any' || particle.kind === 'choice' ? [] : particle.items.flatMap(singles)
}

function fitting(fact: Fact, type: TypeDecl): Fact | undefined {
  if (type.kind !== 'simple' || type.variety !== 'atomic') return undefined
  if (typeof fact === 'boolean') return type.builtin === 'boolean' ? fact : undefined
  if (typeof fact === 'string') return undefined
  return /^(?:int|integer|long|nonNegativeInteger|unsigned(?:Int|Long)|decimal)$/.test(type.builtin)
    ? fact
    : undefined
}

function isText(type: TypeDecl): boolean {
  if (type.kind !== 'simple' || type.variety !== 'atomic') return false
  const isRestricted = Object.keys(type.facets).length > 0
  return !isRestricted && /^(?:string|normalizedString|token|anyURI|anySimpleType)$/.test(type.builtin)
}
