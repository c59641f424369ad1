// The least of the platform's API that the channel's tests need: a token, and a place where customer-service messages arrive.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface SentMessage {
  readonly touser: string
  readonly msgtype: string
  readonly text?: { readonly content: string }
}

export interface PlatformStub extends AsyncDisposable {
  readonly apiBase: string
  readonly sent: readonly SentMessage[]
}

export async function startPlatformStub(): Promise<PlatformStub> {
  const sent: SentMessage[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8')
      const isSend = request.url?.startsWith('/cgi-bin/message/custom/send') === true
      if (isSend) sent.push(JSON.parse(body) as SentMessage) // the API's documented form
      response.setHeader('content-type', 'application/json')
      response.end(
        JSON.stringify(isSend ? { errcode: 0, errmsg: 'ok' } : { access_token: 't1', expires_in: 7200 }),
      )
    })
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo // of a server that listens on TCP
  return {
    apiBase: `http://127.0.0.1:${port}`,
    sent,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}
