// Where the values of a request go, and those of an answer: by going the way again with one of them changed.
import type { Json, Reply } from '../api.ts'
import { follow } from './follow.ts'
import type { Followed } from './follow.ts'
import { jsonLeaves } from './json-leaves.ts'
import type { Changes, Passage } from './passage.ts'
import { placesOf } from './places.ts'
import type { Place, XmlPlaces } from './places.ts'

export interface ValuesOptions {
  /** How it went. */
  readonly passage: Passage
  /** Goes the same way with a change. */
  readonly again: (changes: Changes) => Promise<Passage>
  readonly xml: XmlPlaces
  /** Whether an expression of the config names this member. */
  readonly mentions: (member: string) => boolean
}

/** What becomes of the decoded body's values: they go into the draft and into what is sent on, or nowhere. */
export async function requestValues(options: ValuesOptions): Promise<readonly Followed[]> {
  const { passage, again, xml, mentions } = options
  const { decoded, outbound } = passage
  const first = sentPlaces(passage, xml)
  if (decoded === undefined || first === undefined) return []
  // Who answers without asking anybody over HTTP is called once: this is his own code, and it may do something.
  const untilCall = outbound.length === 0
  const run = async (source: string): Promise<readonly Place[] | undefined> => {
    const other = await again({ decoded: parsed(source), untilCall })
    return other.outbound.length === outbound.length ? sentPlaces(other, xml) : undefined
  }
  const source = JSON.stringify(decoded)
  return follow({ source, baseline: [first, (await run(source)) ?? first], run, mentions })
}

/** What becomes of the answer's values: they reach the caller, or nobody. */
export async function answerValues(options: ValuesOptions): Promise<readonly Followed[]> {
  const { passage, again, xml, mentions } = options
  const { reply } = passage
  const first = answerPlaces(passage, xml)
  if (reply === undefined || first === undefined) return []
  const { source, changed } = answerSource(passage, reply)
  if (source === undefined) return []
  const run = async (text: string): Promise<readonly Place[] | undefined> => {
    const other = await again(changed(text))
    return other.failure === undefined && other.response?.status === passage.response?.status
      ? answerPlaces(other, xml)
      : undefined
  }
  const onTheWay = await follow({ source, baseline: [first, (await run(source)) ?? first], run, mentions })
  return [...unread(passage, reply, xml), ...onTheWay]
}

interface Source {
  readonly source: string | undefined
  readonly changed: (text: string) => Changes
}

/** A JSON answer is followed from its first byte on, any other from the reply that was made of it. */
function answerSource({ outbound }: Passage, reply: Reply): Source {
  const { told } = outbound.at(-1)?.given ?? {}
  if (told !== undefined && isJson(told.headers['content-type']) && told.body.length > 0)
    return {
      source: new TextDecoder().decode(told.body),
      changed: (text) => ({ answer: new TextEncoder().encode(text) }),
    }
  return {
    source: reply.data === undefined ? undefined : JSON.stringify(reply.data),
    changed: (text) => ({ reply: { ...reply, data: parsed(text) } }),
  }
}

/** Of an answer that is not JSON: the values that the backend's adapter did not take into the reply. */
function unread({ outbound }: Passage, reply: Reply, xml: XmlPlaces): readonly Followed[] {
  const { told } = outbound.at(-1)?.given ?? {}
  if (told === undefined || isJson(told.headers['content-type'])) return []
  const { data, fault, parts, metadata } = reply
  const taken = JSON.stringify({ data, fault, parts, metadata })
  const texts = new Set(jsonLeaves(taken).map(({ text }) => text.trim()))
  return placesOf(told, xml)
    .filter(({ path, text }) => path.startsWith('body') && text.trim() !== '' && !texts.has(text.trim()))
    .filter(({ text }) => !taken.includes(JSON.stringify(text).slice(1, -1)))
    .map(({ path, text }) => ({ path: path.replace(/^body /, ''), text, became: 'unused', to: [] }))
}

/** Everything that is sent on, or handed to who answers by itself; undefined: it never came to that. */
function sentPlaces(passage: Passage, xml: XmlPlaces): readonly Place[] | undefined {
  const { draft, outbound, target, said, message } = passage
  if (draft === undefined || message === undefined) return undefined
  if (target === undefined && said === undefined) return undefined
  const { data: _data, raw: _raw, replyContext: _context, metadata: _metadata, ...rest } = draft
  const places = prefixed('draft', parsed(JSON.stringify(rest)))
  if (said !== undefined) places.push({ path: 'reply text', text: said })
  for (const [index, { request }] of outbound.entries()) {
    const which = index === 0 ? '' : `request ${index + 1}: `
    places.push(...placesOf(request, xml).map(({ path, text }) => ({ path: `${which}${path}`, text })))
  }
  if (outbound.length > 0) return places
  if (target?.kind === 'backend') return [...places, ...prefixed('parameter', target.params)]
  return [...places, ...prefixed('message', { data: message.data ?? null })]
}

/** Everything the caller gets: in his answer, else by a push. */
function answerPlaces({ response, pushed }: Passage, xml: XmlPlaces): readonly Place[] | undefined {
  if (pushed.length > 0) return pushed.flatMap((request) => placesOf(request, xml))
  const { body = '', headers = {} } = response ?? {}
  if (response === undefined || (typeof body !== 'string' && !(body instanceof Uint8Array))) return undefined
  return placesOf({ headers, body: typeof body === 'string' ? new TextEncoder().encode(body) : body }, xml)
}

function prefixed(prefix: string, value: Json): Place[] {
  return jsonLeaves(JSON.stringify(value)).map(({ path, text }) => ({
    path: path === '' ? prefix : `${prefix} ${path}`,
    text,
  }))
}

function isJson(contentType: string | undefined): boolean {
  return contentType !== undefined && /^[^;]*\bjson\s*(?:;|$)/i.test(contentType)
}

/** The JSON text of what was plain data, with one value changed. */
function parsed(text: string): Json {
  return JSON.parse(text) as Json // JSON.parse yields nothing else
}
