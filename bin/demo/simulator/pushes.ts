// The platform pushes: five seconds, three tries with the same query and body, and only status 200 counts.
import { randomUUID } from 'node:crypto'
import { fieldOf, unwrap, wrap } from './envelope.ts'
import type { EnvelopeOptions } from './envelope.ts'

/** What the customer sees of one push, and how each try went. */
export interface Pushed {
  /** The passive reply, taken out of its envelope; absent: only an acknowledgement, or nothing. */
  readonly reply?: PassiveReply
  readonly tries: readonly Try[]
  /** All tries failed: the customer is told that the service is out of order. */
  readonly gaveUp: boolean
}
export interface PassiveReply {
  readonly type: string
  readonly text: string
  readonly xml: string
}
export interface Try {
  /** 0: no answer in time, or none at all. */
  readonly status: number
  readonly ms: number
}

export interface PushOptions extends EnvelopeOptions {
  /** Where the gateway takes pushes. */
  readonly url: () => string
  readonly fromUser: string
  /** Default 5,000. */
  readonly cutOffMs?: number
  readonly tries?: number
  /** Between two tries. */
  readonly pauseMs?: number
  readonly headers?: Readonly<Record<string, string>>
}

const CUT_OFF_MS = 5000
const TRIES = 3

/** Pushes the elements of a message; each gets the common ones and a MsgId of its own. */
export async function push(elements: string, options: PushOptions): Promise<Pushed> {
  const seconds = Math.floor(Date.now() / 1000)
  const nonce = randomUUID().replaceAll('-', '').slice(0, 10)
  const { toUser, fromUser, cutOffMs = CUT_OFF_MS, pauseMs = 0 } = options
  const xml = `<xml><ToUserName><![CDATA[${toUser}]]></ToUserName><FromUserName><![CDATA[${fromUser}]]></FromUserName><CreateTime>${seconds}</CreateTime>${elements}</xml>`
  const { query, body } = wrap(xml, options, { seconds, nonce })
  const tries: Try[] = []
  for (let number = 1; number <= (options.tries ?? TRIES); number++) {
    const begun = performance.now()
    const answer = await post(`${options.url()}?${query}&openid=${encodeURIComponent(fromUser)}`, body, {
      cutOffMs,
      headers: options.headers ?? {},
    })
    tries.push({ status: answer.status, ms: performance.now() - begun })
    if (answer.status === 200) {
      const reply = replyOf(answer.text, options)
      return { tries, gaveUp: false, ...(reply !== undefined && { reply }) }
    }
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
  return { tries, gaveUp: true }
}

async function post(
  url: string,
  body: string,
  { cutOffMs, headers }: { readonly cutOffMs: number; readonly headers: Readonly<Record<string, string>> },
): Promise<{ readonly status: number; readonly text: string }> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'text/xml', 'user-agent': 'Mozilla/4.0', ...headers },
      body,
      signal: AbortSignal.timeout(cutOffMs),
    })
    return { status: response.status, text: await response.text() }
  } catch {
    return { status: 0, text: '' } // cut off, refused or broken: to the platform all the same
  }
}

/** `success` and nothing are acknowledgements and never encrypted. Throws where the platform would drop the reply. */
function replyOf(text: string, options: PushOptions): PassiveReply | undefined {
  if (text === '' || text === 'success') return undefined
  const xml = unwrap(text, options)
  if (fieldOf(xml, 'ToUserName') !== options.fromUser)
    throw new Error(`the passive reply is to ${fieldOf(xml, 'ToUserName')}, not to ${options.fromUser}`)
  const type = fieldOf(xml, 'MsgType') ?? ''
  return { type, text: fieldOf(xml, 'Content') ?? '', xml }
}
