// Subscribers whose line is cut and whose gateway is killed: with graphql-ws and with curl's event stream they miss nothing.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

import { GraphQLClient } from 'graphql-request'
import { createClient } from 'graphql-ws'
import { expect, test } from 'vitest'

import { startBot } from '../support/bot.ts'
import { startGateway, until } from '../support/gateway.ts'

const FOLLOW =
  'subscription($c: ID!, $after: Int) { messages(conversation: $c, after: $after) { sequence text } }'
const SAY =
  'mutation($text: String, $id: ID) { sendMessage(sender: {id: "bob"}, text: $text, conversation: "c", externalId: $id) { id } }'

interface Said {
  readonly sequence: number
  readonly text: string
}

interface Following {
  /** The messages after a sequence, until the line breaks. */
  readonly messages: (base: string, after: number) => AsyncIterable<Said>
  /** Breaks every line there is. */
  readonly cut: () => void
}

function overWebSocket(): Following {
  const open = new Set<WebSocket>()
  class Line extends WebSocket {
    constructor(...given: ConstructorParameters<typeof WebSocket>) {
      super(...given)
      open.add(this)
      this.addEventListener('close', () => open.delete(this))
    }
  }
  return {
    async *messages(base, after) {
      const client = createClient({
        url: `${base.replace('http', 'ws')}/graphql`,
        webSocketImpl: Line,
        retryAttempts: 0, // with the same variables it would hear everything again
        lazyCloseTimeout: 0,
      })
      try {
        const variables = { c: 'c', after }
        for await (const { data } of client.iterate<{ messages: Said }>({ query: FOLLOW, variables }))
          if (data !== undefined && data !== null) yield data.messages
      } finally {
        await client.dispose()
      }
    },
    cut: () => open.forEach((socket) => socket.close()),
  }
}

function overEventStream(): Following {
  const open = new Set<ReturnType<typeof spawn>>()
  return {
    async *messages(base, after) {
      const query = new URLSearchParams({ query: FOLLOW, variables: JSON.stringify({ c: 'c', after }) })
      const curl = spawn('curl', ['-sN', '-H', 'accept: text/event-stream', `${base}/graphql?${query}`], {
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      open.add(curl)
      try {
        // What was cut off in the middle of a line is no event.
        for await (const line of createInterface({ input: curl.stdout })) {
          const event = /^data: (\{"data":\{"messages":.*\}\}\})$/u.exec(line)?.[1]
          if (event !== undefined)
            yield (JSON.parse(event) as { readonly data: { readonly messages: Said } }).data.messages // as asked for
        }
      } finally {
        open.delete(curl)
        curl.kill('SIGKILL')
      }
    },
    cut: () => open.forEach((curl) => curl.kill('SIGKILL')),
  }
}

test.each([
  ['graphql-ws', overWebSocket],
  ['an event stream (curl)', overEventStream],
] as const)(
  'over %s: cut four times, the gateway killed with -9 once, no hole and nothing twice',
  async (_name, transport) => {
    await using bot = await startBot(() => ({ body: { text: 'Thank you.' } }))
    const yaml = `
channels: { app: { adapter: graphql } }
agents: { bot: { adapter: webhook, url: ${bot.url} } }
routes: [{ agent: bot }]
`
    let gateway = await startGateway({ yaml })
    const { port, directory } = gateway
    const { messages, cut } = transport()
    const seen: Said[] = []
    const ends = performance.now() + 90_000
    try {
      const say = async (text: string): Promise<unknown> =>
        until(
          async () =>
            new GraphQLClient(`${gateway.base}/graphql`)
              .request(SAY, { text, id: text })
              .catch(() => undefined), // the gateway is away: the same id again
        )
      // The app's own loop: whatever ends the subscription, it comes again with the last sequence it has.
      const follow = async (): Promise<void> => {
        while (seen.length < 28 && performance.now() < ends) {
          try {
            for await (const said of messages(gateway.base, seen.at(-1)?.sequence ?? 0)) {
              seen.push(said)
              if (seen.length === 28) return
            }
          } catch {
            // Cut: the same as an end.
          }
          await new Promise((again) => setTimeout(again, 50))
        }
      }
      await say('text 0')
      const following = follow()
      for (let n = 1; n < 14; n += 1) {
        await say(`text ${n}`)
        if (n % 3 === 0) cut()
        if (n !== 7) continue
        await until(() => (seen.length > 5 ? true : undefined))
        await gateway.kill()
        gateway = await startGateway({ yaml, directory, port })
      }
      await following
      expect(seen.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 28 }, (_, n) => n + 1))
      expect(seen.map(({ text }) => text).filter((text) => text !== 'Thank you.')).toEqual(
        Array.from({ length: 14 }, (_, n) => `text ${n}`),
      )
    } finally {
      cut()
      await gateway[Symbol.asyncDispose]()
    }
  },
  120_000,
)
