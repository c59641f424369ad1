// Reads from the conversations' logs what the inbox no longer has (SEMANTICS 12, 23): `recovered: false` is never a hole.
import type { MsgFrame } from '../../api.ts'
import type { Ledger } from './ledger.ts'

export interface CatchUpOptions {
  readonly ledger: Ledger
  /** Of the gateway, without a slash at its end. */
  readonly base: string
  readonly token: () => Promise<string>
  readonly signal: AbortSignal
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

/** Reads what is owed to its end, however often that takes. Resolves with whether nothing was missing; ends early with the signal. */
export async function catchUp({ ledger, base, token, signal }: CatchUpOptions): Promise<boolean> {
  let isWhole = true
  for (let failures = 0; ledger.owed.length > 0 && !signal.aborted;) {
    const [conversation, after] = ledger.owed[0] ?? ['', 0]
    try {
      const page = await read(`${base}/v1/conversations/${encodeURIComponent(conversation)}/messages`, {
        after,
        token: await unless(signal, token()),
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
    } catch (error) {
      if (signal.aborted || ledger.failure !== undefined) break
      if (!(error instanceof Error)) throw error
      failures++
      await pause(Math.min(PAUSE_MOST_MS, PAUSE_MS * 2 ** failures) * Math.random(), signal)
    }
  }
  return isWhole
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
  if (response.status === 404 || response.status === 403) return undefined
  if (response.status === 410 && after > 0) {
    const page = await read(address, { after: 0, token, signal })
    return page && { ...page, isAnew: true }
  }
  if (!response.ok) throw new Error(`the log answered with ${response.status}`)
  return (await response.json()) as Page // DESIGN §16: what the log answers
}

/** An app's token may never come. */
async function unless<T>(signal: AbortSignal, waited: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(new Error('ended'))
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([waited, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  signal.addEventListener('abort', () => resolve(), { once: true })
  await promise
  clearTimeout(timer)
}
