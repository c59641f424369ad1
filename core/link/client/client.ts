// The app's half of the client protocol (DESIGN §12): one conversation over whatever link there is, each message once and in order.
import type { MsgFrame } from '../../api.ts'
import { catchUp } from './catch-up.ts'
import type { CaughtUp } from './catch-up.ts'
import { Conductor } from './conductor.ts'
import { checkKind, KINDS } from './kinds.ts'
import { Ledger } from './ledger.ts'
import { outgoingOf } from './outgoing.ts'
import { pause } from './pause.ts'
import { checkToken, subjectOf } from './token.ts'
import { openHttp } from './transport-http.ts'
import { openMqtt } from './transport-mqtt.ts'
import { openWebSocket } from './transport-websocket.ts'
import type { Box } from './box.ts'
import type { Client, ConnectOptions, LinkKind, Mqtt, Said, StateEvent } from './types.ts'

/** What differs between browsers and Node. */
export interface Platform {
  readonly box: (name: string | undefined) => Box
  readonly loadMqtt: () => Promise<Mqtt>
  /** Calls when the network is said to be back, or somebody looks. Returns what ends it. */
  readonly onHurry: (hurry: () => void) => () => void
}

const HISTORY = 1000
/** What is kept waits for a token no longer: the network may be away. */
const EARLY_MS = 2000

interface Listener {
  readonly handler: (said: Said) => void
  /** The number of the last message it was given. */
  upTo: number
}

/** Opens the box and looks for a link; everything else comes by `onMessage` and `onState`. Throws `TypeError` for an address, a token or a link that is none. */
export function createClient(options: ConnectOptions, platform: Platform): Client {
  const base = baseOf(options.url)
  if (typeof options.token !== 'string' && typeof options.token !== 'function')
    throw new TypeError('token is neither a text nor a function')
  checkLinks(options.links)
  const box = typeof options.box === 'object' ? options.box : platform.box(options.box)
  const listeners = new Set<Listener>()
  const stateHandlers = new Set<(event: StateEvent) => void>()
  const ending = new AbortController()
  let link: Extract<StateEvent, { what: 'link' }> = { what: 'link', status: 'connecting' }
  let ledger: Ledger | undefined
  let conductor: Conductor | undefined
  /** Asked before there was a link; the first one has it. */
  let early: Promise<string> | undefined
  let inbox: Promise<unknown> = Promise.resolve()
  let isBehind = false
  /** What the logs had is known, and not yet what the inbox still brings. */
  let untold: Required<CaughtUp> | undefined
  let ended: Promise<void> | undefined

  function tell(event: StateEvent): void {
    if (event.what === 'link') link = event
    for (const handler of stateHandlers) call(handler, event)
  }

  /** The first reason is what later calls are told. Everything is let go, so that another client can have the box. */
  function end(why: unknown): void {
    ending.abort(why)
    ended ??= release()
    ended.catch(() => undefined) // told to whoever calls close
  }

  async function release(): Promise<void> {
    endHurry()
    conductor?.close()
    await inbox
    const known = await opened.catch(() => undefined)
    await known?.close()
  }

  function fail(error: unknown): void {
    if (ending.signal.aborted) return
    end(error)
    tell({ what: 'link', status: 'failed', reason: error instanceof Error ? error.message : String(error) })
  }

  async function token(): Promise<string> {
    const asked = early ?? ask()
    early = undefined
    const given = await asked
    if (ledger !== undefined && !ledger.isOf({ subject: subjectOf(given) }))
      throw new Error('the token is for another customer')
    return given
  }

  async function ask(): Promise<string> {
    return checkToken(typeof options.token === 'string' ? options.token : await options.token())
  }

  /** What is kept is shown at once, but for a moment in which a token may say that it is another's. */
  async function isAnothers(known: Ledger): Promise<boolean> {
    if (known.subject === undefined) return false
    early = ask()
    const subject = await Promise.race([
      early.then(subjectOf).catch(() => undefined), // told where a link is opened with it
      pause(EARLY_MS, ending.signal),
    ])
    return !known.isOf({ subject: subject ?? undefined })
  }

  /** One after the other, over whichever link they came; while logs are owed they wait. */
  function takeMessages(messages: readonly MsgFrame[]): Promise<boolean> {
    const taken = inbox.then(async () => {
      if (ledger === undefined || ending.signal.aborted) return true
      for (const message of messages) if (!ledger.take(message)) return false
      await ledger.durable()
      tellMissed(ledger)
      return true
    })
    inbox = taken.catch(() => undefined)
    return taken.catch(() => true) // the ledger has said so; nothing is acknowledged by a client that has failed
  }

  function tellMissed(known: Ledger): void {
    if (untold === undefined) return
    const { isWhole, why } = untold
    const all = known.foundAll()
    if (all === undefined) return
    untold = undefined
    tell({ what: 'missed', all: all && isWhole, why })
  }

  function readOwed(known: Ledger, why: string): void {
    if (isBehind) return
    isBehind = true
    const before = inbox
    inbox = (async (): Promise<void> => {
      await before
      const found = await catchUp({
        ledger: known,
        base,
        token,
        isOnline: () => link.status === 'online',
        signal: ending.signal,
      })
      isBehind = false
      if (ending.signal.aborted) return
      untold = {
        isWhole: found.isWhole && untold?.isWhole !== false,
        why: found.why ?? untold?.why ?? why,
      }
      tellMissed(known)
    })()
  }

  async function open(): Promise<Ledger> {
    const known = await Ledger.open({
      box,
      history: options.history ?? HISTORY,
      opening: {
        signal: ending.signal,
        onWaiting: (reason) => tell({ what: 'link', status: 'waiting', reason }),
      },
      events: {
        onSaid(said, number) {
          for (const listener of listeners) {
            if (number <= listener.upTo) continue // it was registered while this was being shown
            listener.upTo = number
            call(listener.handler, said)
          }
        },
        onState: tell,
        onFailure: fail,
      },
    })
    if (ending.signal.aborted || (await isAnothers(known)) || ending.signal.aborted) {
      await known.close()
      throw ending.signal.reason
    }
    ledger = known
    if (link.status === 'waiting') tell({ what: 'link', status: 'connecting' })
    for (const listener of listeners) giveKept(listener, known)
    tell({ what: 'outbox', waiting: known.waiting })
    if (known.owed.length > 0 || known.isBehind)
      readOwed(known, 'what was missed was not read to its end before')
    conductor = new Conductor({
      ledger: known,
      links: () => (typeof options.links === 'function' ? options.links() : (options.links ?? KINDS)),
      transports: {
        websocket: { address: addressOf('websocket', `${base}/v1/ws`), open: openWebSocket },
        mqtt: {
          address: addressOf('mqtt', `${base}/mqtt`),
          open: openMqtt(once(options.loadMqtt ?? platform.loadMqtt)),
        },
        http: { address: options.addresses?.http ?? `${base}/v1/link`, open: openHttp },
      },
      token,
      onMessages: takeMessages,
      onReset: ({ epoch, top, oldest, why }) => {
        const isElsewhere = known.moveTo(epoch, top, oldest)
        readOwed(known, why)
        return isElsewhere
      },
      onState: tell,
    })
    return known
  }

  function giveKept(listener: Listener, { said: kept, shown }: Ledger): void {
    if (listener.upTo >= shown) return // by a handler that registers another
    listener.upTo = shown
    for (const said of kept) if (listeners.has(listener)) call(listener.handler, said)
  }

  function addressOf(kind: LinkKind, usual: string): string {
    return options.addresses?.[kind] ?? usual.replace(/^http/u, 'ws')
  }

  const endHurry = platform.onHurry(() => conductor?.hurry())
  const opened = open()
  opened.catch(fail)

  async function close(): Promise<void> {
    end(new Error('the client is closed'))
    if (link.status !== 'closed') tell({ what: 'link', status: 'closed' })
    await ended
  }

  return {
    async send(message) {
      const outgoing = outgoingOf(message)
      const known = await opened
      ending.signal.throwIfAborted()
      const said = await known.enqueue(outgoing)
      conductor?.pump()
      return said
    },
    onMessage(handler) {
      const listener: Listener = { handler, upTo: 0 }
      listeners.add(listener)
      if (ledger !== undefined) giveKept(listener, ledger)
      return () => listeners.delete(listener)
    },
    onState(handler) {
      stateHandlers.add(handler)
      call(handler, link)
      if (ledger !== undefined) call(handler, { what: 'outbox', waiting: ledger.waiting })
      return () => stateHandlers.delete(handler)
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Of the gateway, without a slash at its end; a page's query and fragment are none of it. */
function baseOf(url: string | URL): string {
  const { protocol, origin, pathname, href } = new URL(url)
  if (protocol !== 'http:' && protocol !== 'https:')
    throw new TypeError(`url ${JSON.stringify(href)} is none of http: or https:`)
  return `${origin}${pathname}`.replace(/\/$/u, '')
}

/** Those that a function names are seen when it is asked. */
function checkLinks(links: unknown): void {
  if (links === undefined || typeof links === 'function') return
  if (!Array.isArray(links)) throw new TypeError('links is neither a list nor a function')
  for (const [index, kind] of links.entries()) checkKind(kind, `links[${index}]`)
}

/** What an app throws is the app's: reported as any error that nobody caught, and no other handler misses anything. */
function call<T>(handler: (value: T) => void, value: T): void {
  try {
    handler(value)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}

function once<T>(load: () => Promise<T>): () => Promise<T> {
  let loading: Promise<T> | undefined
  return () => {
    loading ??= load().catch((error: unknown) => {
      loading = undefined // the network was away: the next try loads it again
      throw error
    })
    return loading
  }
}
