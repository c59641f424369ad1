// Reads from the conversations' logs what the inbox no longer has (SEMANTICS 12, 23): `recovered: false` is never a hole.
import type { MsgFrame } from '../../api.ts'
import type { Ledger } from './ledger.ts'
import { pause } from './pause.ts'
import { isProblem } from './problem.ts'

export interface CatchUpOptions {
  readonly ledger: Ledger
  /** Of the gateway, without a slash at its end. */
  readonly base: string
  readonly token: () => Promise<string>
  /** Whether there is a link: a log that cannot be fetched then is not waited for without end. */
  readonly isOnline: () => boolean
  readonly signal: AbortSignal
}

export interface CaughtUp {
  /** Nothing was missing. */
  readonly isWhole: boolean
  /** Of a log that was given up. */
  readonly why?: string
}

interface Page {
  readonly messages: readonly MsgFrame['message'][]
  readonly next: number
  readonly truncated: boolean
  /** The log ends before what was asked for. */
  readonly isAnew?: boolean
}

const REQUEST_MS = 15_000
const PAUSE_MS = 1000
const PAUSE_MOST_MS = 15_000
/** Some 50 s: the WebSocket works and the log does not, as for a page of another origin. */
const FAILURES_MOST = 10
/** The token is being renewed, there is too much to do, the store is away: it passes. */
const PASSING = new Set([401, 408, 429, 503])

/** Reads what is owed to its end. A log that does not come while there is a link is given up: the inbox must go on. Ends early with the signal. */
export async function catchUp({ ledger, base, token, isOnline, signal }: CatchUpOptions): Promise<CaughtUp> {
  let isWhole = true
  let why: string | undefined
  for (let failures = 0, lasting = 0; ledger.owed.length > 0 && !signal.aborted;) {
    const [conversation, after] = ledger.owed[0] ?? ['', 0]
    try {
      const page = await read(`${base}/v1/conversations/${encodeURIComponent(conversation)}/messages`, {
        after,
        token: await tokenOf(token, signal),
        signal,
      })
      if (page === undefined || page.truncated) isWhole = false
      const { messages, next, isAnew } = page ?? { messages: [], next: 0, isAnew: true }
      await ledger.keepPage(conversation, {
        messages,
        next: messages.length === 0 ? undefined : next,
        isAnew: isAnew === true,
      })
      failures = 0
      lasting = 0
    } catch (error) {
      if (signal.aborted || ledger.failure !== undefined) break
      if (!(error instanceof Error)) throw error
      failures++
      if (isOnline() && !(error instanceof Passing)) lasting++
      if (lasting >= FAILURES_MOST) {
        isWhole = false
        why = `the log of ${JSON.stringify(conversation)} could not be read: ${error.message}`
        await ledger.keepPage(conversation, { messages: [], next: undefined, isAnew: true })
        failures = 0
        lasting = 0
        continue
      }
      await pause(Math.min(PAUSE_MOST_MS, PAUSE_MS * 2 ** failures) * Math.random(), signal)
    }
  }
  return { isWhole, ...(why !== undefined && { why }) }
}

/** Undefined: there is no such log any more. Of a log that ends before `after`, as it was restored, what it has from its oldest on. */
async function read(
  address: string,
  { after, token, signal }: { readonly after: number; readonly token: string; readonly signal: AbortSignal },
): Promise<Page | undefined> {
  const response = await fetch(`${address}?after=${after}`, {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_MS)]),
    cache: 'no-store',
  })
  const { status } = response
  const failure = `the log answered with ${status}`
  if (PASSING.has(status)) throw new Passing(failure)
  if (status === 410 && after > 0 && isProblem(response)) {
    const page = await read(address, { after: 0, token, signal })
    return page && { ...page, isAnew: true }
  }
  // Also a name that no path can hold, such as "..", of before it was refused (RFC 3986 §5.2.4).
  if (status >= 400 && status < 500 && isProblem(response)) return undefined
  if (!response.ok) throw new Error(failure)
  return (await response.json()) as Page // DESIGN §16: what the log answers
}

class Passing extends Error {}

/** An app's token may never come, or fail for reasons of its own. */
async function tokenOf(token: () => Promise<string>, signal: AbortSignal): Promise<string> {
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(new Error('ended'))
  signal.addEventListener('abort', onAbort, { once: true })
  const late = setTimeout(() => reject(new Error('it takes too long')), REQUEST_MS)
  try {
    return await Promise.race([token(), promise])
  } catch (error) {
    throw new Passing(`no token: ${String(error)}`)
  } finally {
    clearTimeout(late)
    signal.removeEventListener('abort', onAbort)
  }
}
