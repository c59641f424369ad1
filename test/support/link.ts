// A link in the test's own process: a channel that hands out its host, and an app's end that sends frames and keeps what it gets.
import { randomUUIDv7 } from 'node:crypto'
import { z } from 'zod'
import { defineAdapter } from '../../core/api.ts'
import type {
  Adapter,
  ChannelHost,
  DownFrame,
  Identity,
  Json,
  Link,
  LinkOptions,
  MsgFrame,
  UpFrame,
} from '../../core/api.ts'
import type { Store } from '../../core/store/store.ts'
import { until } from './gateway.ts'
import { openHouse } from './house.ts'
import type { House, HouseOptions } from './house.ts'
import { echo, handAgent } from './parts.ts'
import type { HandAgent } from './parts.ts'

export interface LinkHouse extends House {
  readonly host: ChannelHost
  readonly agent: HandAgent
}

export const LINK_YAML = `
channels: { app: { adapter: app }, web: { adapter: rest } }
agents: { bot: { adapter: bot } }
routes: [ { when: "data = 'leave'", agent: bot }, { agent: bot } ]
`

/** A gateway with a channel for links, REST beside it, and an agent that echoes. */
export async function linkHouse(options: Partial<HouseOptions> = {}): Promise<LinkHouse> {
  let host: ChannelHost | undefined
  const app: Adapter = defineAdapter({
    name: 'app',
    apiVersion: 1,
    channel: {
      config: z.strictObject({}),
      create: () => ({
        async start(given) {
          host = given
        },
        async [Symbol.asyncDispose]() {},
      }),
    },
  })
  const agent = handAgent('bot', echo)
  const house = await openHouse({ yaml: LINK_YAML, adapters: [app, agent.adapter], ...options })
  if (host === undefined) throw new Error('the channel has not started')
  return Object.assign(house, { host, agent })
}

export const ann: Identity = { role: 'customer', id: 'ann' }
export const bob: Identity = { role: 'customer', id: 'bob' }

export interface App {
  readonly link: Link
  /** Everything it got, in order. */
  readonly frames: DownFrame[]
  /** `text` and `offset` of every msg it got. */
  readonly messages: MsgFrame[]
  tell(...frames: readonly UpFrame[]): Promise<void>
  raw(frames: string | Uint8Array | Json): Promise<void>
  hello(more?: Partial<Extract<UpFrame, { t: 'hello' }>>): Promise<void>
  say(n: number, text: string, id?: string): Promise<void>
  /** The first frame of this kind that it has got or gets. */
  next<T extends DownFrame['t']>(t: T): Promise<Extract<DownFrame, { t: T }>>
  last<T extends DownFrame['t']>(t: T): Extract<DownFrame, { t: T }> | undefined
  /** The texts it got from the inbox, when there are so many. */
  texts(count: number): Promise<readonly string[]>
}

export interface AppOptions extends LinkOptions {
  readonly who?: Identity
  readonly device?: string
  readonly boot?: string
  /** What the transport does with a frame. */
  readonly taken?: (frame: DownFrame) => unknown
}

export function connectApp(host: ChannelHost, options: AppOptions & { readonly only?: string } = {}): App {
  const { who = ann, device = 'phone', boot = 'boot-1', taken, only, transient } = options
  const frames: DownFrame[] = []
  const link = host.link(
    who,
    (frame) => {
      frames.push(frame)
      return taken?.(frame) as Promise<unknown> | undefined // a test's transport
    },
    { ...(only !== undefined && { device: only }), ...(transient !== undefined && { transient }) },
  )
  const app: App = {
    link,
    frames,
    get messages() {
      return frames.filter((frame) => frame.t === 'msg')
    },
    tell: (...up) => link.receive(up as unknown as Json), // frames are JSON
    raw: (up) => link.receive(up),
    hello: (more = {}) =>
      app.tell({ t: 'hello', v: 1, device, boot, first: 1, epoch: '', offset: 0, ...more }),
    say: (n, text, id = randomUUIDv7()) => app.tell({ t: 'send', n, id, message: { text } }),
    next: (t) => until(() => frames.find((frame) => isA(t, frame))) as Promise<never>, // the one of this name
    last: (t) => frames.findLast((frame) => isA(t, frame)) as never, // the one of this name
    texts: async (count) => {
      await until(() => (app.messages.length >= count ? true : undefined))
      return app.messages.map(({ message }) => message.parts?.[0]?.text ?? '')
    },
  }
  return app
}

function isA(t: DownFrame['t'], frame: DownFrame): boolean {
  return frame.t === t
}

/** The store with some operations of our own. */
export function changed(store: Store, own: Partial<Store>): Store {
  return new Proxy(store, {
    get: (target, name) => {
      if (Object.hasOwn(own, name)) return Reflect.get(own, name)
      const member: unknown = Reflect.get(target, name)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}
