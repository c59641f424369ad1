// The WeChat platform in one process: it pushes what customers do, checks what comes back, and offers its API.
import { randomInt } from 'node:crypto'
import { startPlatformApi } from './api.ts'
import type { ApiOptions, PlatformApi } from './api.ts'
import type { PlatformCipher } from './envelope.ts'
import { push } from './pushes.ts'
import type { Pushed, PushOptions } from './pushes.ts'

export type { Pushed } from './pushes.ts'

export interface SimulatorOptions extends ApiOptions {
  readonly token: string
  readonly cipher?: PlatformCipher
  /** Where the gateway takes pushes; may be said later. */
  url?: string
  readonly cutOffMs?: number
  readonly pauseMs?: number
}

export interface Simulator extends AsyncDisposable {
  readonly api: PlatformApi
  url: string
  /** The customer writes: his window is open, and the platform pushes. */
  say(customer: string, text: string, options?: SayOptions): Promise<Pushed>
  /** The customer does something else: elements of the push as XML. */
  event(customer: string, elements: string): Promise<Pushed>
}
export interface SayOptions {
  /** Default: a new one. */
  readonly msgId?: string
  readonly tries?: number
  readonly cutOffMs?: number
  readonly pauseMs?: number
}

/** The account's own id in pushes. */
const ACCOUNT = 'gh_simulated0001'

/** Starts the API on a free port. Pushes go to `url`. */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const api = await startPlatformApi(options)
  let url = options.url ?? ''
  const { token, cipher, cutOffMs, pauseMs } = options
  const common = (customer: string): PushOptions => ({
    token,
    toUser: ACCOUNT,
    fromUser: customer,
    url: () => url,
    ...(cipher !== undefined && { cipher }),
    ...(cutOffMs !== undefined && { cutOffMs }),
    ...(pauseMs !== undefined && { pauseMs }),
  })
  return {
    api,
    get url() {
      return url
    },
    set url(next) {
      url = next
    },
    say(customer, text, { msgId = newMsgId(), ...how } = {}) {
      api.contact(customer)
      const content = text.replaceAll(']]>', ']]]]><![CDATA[>')
      const elements = `<MsgType><![CDATA[text]]></MsgType><Content><![CDATA[${content}]]></Content><MsgId>${msgId}</MsgId>`
      return push(elements, { ...common(customer), ...how })
    },
    event(customer, elements) {
      api.contact(customer, 3, 60_000)
      return push(`<MsgType><![CDATA[event]]></MsgType>${elements}`, common(customer))
    },
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  }
}

/** 64 bits, beyond what a double holds. */
export function newMsgId(): string {
  return `2${String(randomInt(10 ** 9)).padStart(9, '0')}${String(randomInt(10 ** 9)).padStart(9, '0')}`
}
