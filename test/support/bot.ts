// A webhook bot in the test's own process: answers as told, remembers what it was asked.
import { createServer } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Asked {
  readonly headers: IncomingHttpHeaders
  readonly event: {
    readonly id: string
    readonly type: string
    readonly correlationid: string
    readonly data: { readonly id: string; readonly parts?: readonly { readonly text: string }[] }
    readonly callbackurl?: string
    readonly callbacktoken?: string
  }
}
export interface Told {
  readonly status?: number
  readonly body?: unknown
  /** Never answers. */
  readonly hang?: boolean
}

export interface Bot extends AsyncDisposable {
  readonly url: string
  readonly asked: readonly Asked[]
  answer: (asked: Asked) => Told | Promise<Told>
}

export async function startBot(answer: Bot['answer']): Promise<Bot> {
  const asked: Asked[] = []
  const server = createServer((request, response) => {
    void (async () => {
      const pieces: Buffer[] = []
      for await (const piece of request) pieces.push(piece as Buffer) // no encoding is set
      const one: Asked = { headers: request.headers, event: JSON.parse(Buffer.concat(pieces).toString()) }
      asked.push(one)
      const told = await bot.answer(one)
      if (told.hang === true) return
      response.writeHead(told.status ?? 200, { 'content-type': 'application/json' })
      response.end(told.body === undefined ? '' : JSON.stringify(told.body))
    })()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // it listens on TCP
  const bot: Bot = {
    url: `http://127.0.0.1:${port}/bot`,
    asked,
    answer,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return bot
}

/** What the customer said in the message a bot was asked about. */
export function textOf({ event }: Asked): string {
  return event.data.parts?.[0]?.text ?? ''
}
