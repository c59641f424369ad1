// The servers the gateway is compared with, one kind a process: `node bare.ts http|hono|orders|proxy URL`. Prints its port.
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { Agent, request as call } from 'undici'

const kind = process.argv[2]
const behind = process.argv[3] ?? ''
const dispatcher = new Agent({ connections: 64 })
const order = JSON.stringify({
  orderNo: '000777',
  id: '9007199254740993',
  status: 'shipped',
  total: '1.10',
  customer: '王小明 <&>',
  lines: [{ sku: '007', quantity: 1 }],
})

/** The least a pass-through does: read JSON, call, read JSON, write it. */
async function passThrough(text: string, response: ServerResponse): Promise<void> {
  const { orderNo } = JSON.parse(text) as { orderNo: string } // the benchmark's own
  const { body } = await call(`${behind}/orders/${orderNo}`, { dispatcher })
  const answer: unknown = JSON.parse(await body.text())
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
}

if (kind === 'hono') {
  const app = new Hono()
  app.post('/v1/messages', async (context) => {
    const body: { sender?: { id?: string } } = await context.req.json()
    return context.json({ id: '1', conversation: body.sender?.id, sequence: 1, duplicate: false }, 202)
  })
  serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => console.log(port))
} else {
  const server = createServer((request, response) => {
    if (kind === 'orders') {
      response.writeHead(200, { 'content-type': 'application/json' }).end(order)
      return
    }
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      if (kind === 'proxy') {
        void passThrough(Buffer.concat(pieces).toString(), response)
        return
      }
      const body = JSON.parse(Buffer.concat(pieces).toString()) as { sender?: { id?: string } } // the benchmark's own
      const answer = { id: '1', conversation: body.sender?.id, sequence: 1, duplicate: false }
      response.writeHead(202, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
    })
  })
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    if (typeof address === 'object' && address !== null) console.log(address.port)
  })
}
