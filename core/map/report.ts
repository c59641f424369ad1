// `dragoman map`: what becomes of one captured request, as plain data.
import { GatewayError } from '../api.ts'
import type { Fault, Json, Party } from '../api.ts'
import { decodeContent } from '../guard/content-coding.ts'
import { readTarget } from '../http/paths.ts'
import type { BackendSettings, ChannelSettings } from '../settings.ts'
import { bodyText } from './body-text.ts'
import type { CapturedRequest } from './capture.ts'
import type { Followed } from './follow.ts'
import { mentionsOf } from './mentions.ts'
import type { Passage, Said, Stage, Target } from './passage.ts'
import type { XmlPlaces } from './places.ts'
import { Rehearsal } from './rehearsal.ts'
import type { RehearsalOptions, Unidentified } from './rehearsal.ts'
import { answerValues, requestValues } from './values.ts'

/** An HTTP message for people's eyes. */
export interface Shown {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Stage by stage; what is missing was not reached. */
export interface MapReport {
  readonly request: {
    readonly method: string
    readonly path: string
    readonly query: string
    readonly contentType?: string
    readonly bytes: number
    readonly notes: readonly string[]
  }
  readonly channel: { readonly id: string; readonly adapter: string }
  readonly operation?: string
  readonly decoded?: Json
  readonly draft?: {
    readonly kind: string
    readonly type: string
    readonly sender: Party
    readonly externalId?: string
    readonly conversation?: string
    readonly priority?: string
    readonly text?: string
    readonly metadata?: Readonly<Record<string, string>>
  }
  readonly route?: {
    readonly number: number
    readonly when?: string
  }
  /** Those before it, or all of them, which do not match. */
  readonly unmatched: readonly { readonly number: number; readonly when: string }[]
  readonly target?: Target
  readonly outbound: readonly (Shown & { readonly method: string; readonly url: string })[]
  readonly answers: readonly (Shown & {
    readonly status: number
    readonly from: string
    readonly hint?: string
  })[]
  readonly reply?: { readonly data?: Json; readonly text?: string; readonly fault?: Fault }
  readonly said?: string
  readonly handoff?: string
  readonly pushed: readonly (Shown & { readonly method: string; readonly url: string })[]
  readonly encoded?: Shown & { readonly status: number }
  readonly failure?: { readonly stage: Stage; readonly code: string; readonly message: string }
  readonly values: { readonly request: readonly Followed[]; readonly answer: readonly Followed[] }
  readonly log: readonly Said[]
}

export interface MapOptions extends RehearsalOptions {
  readonly request: CapturedRequest
  readonly bodyLimitBytes: number
  readonly xml: XmlPlaces
}

/**
 * Takes a captured request through the gateway without calling anybody. Throws `DECODE_FAILED` for an address that the
 * listener refuses, `TOO_LARGE`, `NOT_FOUND` where no channel serves the path, and why the channel did not start; what
 * stops the request later is the report's `failure`.
 */
export async function mapRequest(options: MapOptions): Promise<MapReport> {
  const { request: captured, settings, xml } = options
  const { path, query } = readTarget(captured.target)
  await using rehearsal = new Rehearsal(options)
  const channel = await rehearsal.open(path)
  const { body, headers } = await undone(captured, channel.bodyLimitBytes ?? options.bodyLimitBytes)
  const host = headers['host'] ?? 'localhost'
  const request: Unidentified = {
    method: captured.method,
    path,
    query,
    headers,
    body,
    remote: '127.0.0.1',
    origin: `http://${host}`,
  }
  const passage = withRefusal(await rehearsal.go(request))
  const mentions = mentionsOf({ channel, backend: backendOf(passage, settings.backends), passage })
  const following = { passage, xml, mentions, again: (changes: object) => rehearsal.go(request, changes) }
  const values = {
    request: await requestValues(following),
    answer: passage.failure === undefined ? await answerValues(following) : [],
  }
  const { method, notes } = captured
  const contentType = headers['content-type']
  return {
    request: {
      method,
      path,
      query,
      ...(contentType !== undefined && { contentType }),
      bytes: body.length,
      notes,
    },
    channel: { id: channel.id, adapter: channel.adapter },
    ...reportOf(passage, settings.routes),
    values,
  }
}

/** As the listener does it: the content coding is undone, within the limit. */
async function undone(
  { headers, body }: CapturedRequest,
  limitBytes: number,
): Promise<Pick<CapturedRequest, 'headers' | 'body'>> {
  const { 'content-encoding': coding, 'content-length': _length, ...rest } = headers
  let bytes = body
  try {
    if (coding !== undefined) bytes = await decodeContent(body, coding, limitBytes)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new GatewayError('DECODE_FAILED', `the body ${why}`, { cause: error })
  }
  if (bytes.length > limitBytes)
    throw new GatewayError('TOO_LARGE', `the body has ${bytes.length} bytes, the limit is ${limitBytes}`)
  return { headers: Object.assign(Object.create(null), rest), body: bytes }
}

/** A channel that answers an error by itself has thrown nothing that could be seen. */
function withRefusal(passage: Passage): Passage {
  const { response, failure, reply, draft } = passage
  if (failure !== undefined || response === undefined || response.status < 400) return passage
  if (reply?.fault !== undefined) return passage
  const stage = reply === undefined ? 'decode' : 'encode'
  if (stage === 'decode' && draft !== undefined) return passage
  const said = passage.log.findLast(({ level }) => level === 'error')
  const code = stage === 'decode' ? 'DECODE_FAILED' : 'ENCODE_FAILED'
  const message =
    said?.reason ?? said?.message ?? `the channel refuses it with ${response.status}; its answer says why`
  return { ...passage, failure: { stage, error: new GatewayError(code, message) } }
}

function backendOf(
  { target }: Passage,
  backends: Readonly<Record<string, BackendSettings>>,
): BackendSettings | undefined {
  return target?.kind === 'backend' ? backends[target.id] : undefined
}

type Reported = Omit<MapReport, 'request' | 'channel' | 'values'>

function reportOf(passage: Passage, routes: MapOptions['settings']['routes']): Reported {
  const { operation, decoded, draft, route, target, outbound, reply, said, handoff, response } = passage
  const { failure, pushed, log } = passage
  return {
    ...(operation !== undefined && { operation }),
    ...(decoded !== undefined && { decoded }),
    ...(draft !== undefined && { draft: draftOf(draft) }),
    ...(route !== undefined && {
      route: {
        number: route.number,
        ...(route.config.when !== undefined && { when: route.config.when }),
      },
    }),
    unmatched: unmatchedOf(passage, routes),
    ...(target !== undefined && { target }),
    outbound: outbound.map(({ request }) => sentOf(request)),
    answers: outbound.flatMap(({ given }) => {
      if (given === undefined) return []
      const { told, from, hint } = given
      const body = bodyText(told.body, told.headers['content-type'])
      return [{ status: told.status, headers: told.headers, body, from, ...(hint !== undefined && { hint }) }]
    }),
    ...(reply !== undefined && { reply: replyOf(reply) }),
    ...(said !== undefined && { said }),
    ...(handoff !== undefined && { handoff }),
    pushed: pushed.map(sentOf),
    ...(response !== undefined && { encoded: encodedOf(response) }),
    ...(failure !== undefined && {
      failure: { stage: failure.stage, code: failure.error.code, message: reasonOf(failure.error) },
    }),
    log,
  }
}

function unmatchedOf(
  { route, failure }: Passage,
  routes: MapOptions['settings']['routes'],
): MapReport['unmatched'] {
  const passed = route === undefined && failure?.stage === 'route' ? routes.length : (route?.number ?? 1) - 1
  return routes.slice(0, passed).map(({ when = '' }, index) => ({ number: index + 1, when }))
}

function draftOf(draft: NonNullable<Passage['draft']>): NonNullable<MapReport['draft']> {
  const { kind, type, sender, externalId, conversation, priority, parts, metadata } = draft
  const text = parts?.map((part) => part.text).join('\n')
  return {
    kind,
    type,
    sender,
    ...(externalId !== undefined && { externalId }),
    ...(conversation !== undefined && { conversation }),
    ...(priority !== undefined && { priority }),
    ...(text !== undefined && { text }),
    ...(metadata !== undefined && { metadata }),
  }
}

function sentOf(request: Passage['pushed'][number]): MapReport['outbound'][number] {
  const { method, url, headers, body } = request
  return { method, url, headers: { ...headers }, body: bodyText(body, headers['content-type']) }
}

function replyOf({ data, parts, fault }: NonNullable<Passage['reply']>): NonNullable<MapReport['reply']> {
  const text = parts?.map((part) => part.text).join('\n')
  return {
    ...(data !== undefined && { data }),
    ...(text !== undefined && { text }),
    ...(fault !== undefined && { fault }),
  }
}

function encodedOf({ status, headers = {}, body = '' }: NonNullable<Passage['response']>) {
  if (typeof body === 'string') return { status, headers, body }
  if (body instanceof Uint8Array) return { status, headers, body: bodyText(body, headers['content-type']) }
  return { status, headers, body: '(a stream)' }
}

/** For the operator, who is told more than a caller: what was the reason of it. */
function reasonOf(error: GatewayError): string {
  const { cause } = error
  return cause instanceof Error && cause.message !== error.message
    ? `${error.message} (${cause.message})`
    : error.message
}

export type { ChannelSettings }
