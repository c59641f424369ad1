// A channel that uses all a channel may use, as the text of a plugin.

export const everything = `
import { defineAdapter, GatewayError } from 'dragoman'
import { z } from 'zod'

const text = (bytes) => new TextDecoder().decode(bytes)
const json = (value) => ({ status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) })
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

export default defineAdapter({
  name: 'everything',
  apiVersion: 1,
  channel: {
    config: z.strictObject({ path: z.string(), upstream: z.string() }),
    create: ({ path, upstream }, scope) => {
      let host
      const actions = {
        async say(request, signal) {
          const accepted = await host.accept(
            {
              kind: 'message',
              type: 'text',
              sender: { id: 'ann', role: 'customer' },
              parts: [{ kind: 'text', text: text(request.body) }],
              raw: { mediaType: 'text/plain', bytes: request.body },
            },
            { waitMs: Number(request.query || 5000), signal },
          )
          scope.metrics.count('seen_total', { kind: 'text' })
          return { ...json(accepted), carries: accepted.id }
        },
        async ask(request, signal) {
          const asked = { kind: 'request', type: 'Order', sender: { id: 'ann', role: 'customer' }, parts: [{ kind: 'text', text: text(request.body) }] }
          const accepted = await host.accept(asked, { waitMs: Number(request.query || 5000), signal, acknowledges: true })
          return { ...json(accepted), carries: accepted.id }
        },
        async drafted(request) {
          const draft = await host.draft('Order', JSON.parse(text(request.body)), { kind: 'event' })
          return json([draft, host.operations])
        },
        async refused() {
          await host.accept({ kind: 'request', type: 'NoSuchThing', sender: { id: 'ann', role: 'customer' } })
        },
        async event({ query }) {
          return json(await host.accept({ kind: 'event', type: query, sender: { id: 'ann', role: 'customer' } }))
        },
        log: async () => json(await host.log('demo:ann', 0)),
        identify: async () => json(await host.identify({ scheme: 'bearer', token: 'ann' })),
        echo: async (request) => ({ status: 200, body: Buffer.from(request.body).subarray(1) }),
        stream: async () => ({
          status: 200,
          body: (async function* () {
            yield 'a'
            yield Buffer.from('bc')
            await wait(5)
            yield 'd'
          })(),
        }),
        async endless() {
          async function* ticks() {
            try {
              for (;;) {
                yield 'tick '
                await wait(10)
              }
            } finally {
              await scope.state.put('returned', true)
            }
          }
          return { status: 200, body: ticks() }
        },
        async gone(_request, signal) {
          await scope.state.put('begun', true)
          if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
          await scope.state.put('gone', true)
          return { status: 200 }
        },
        state: async (request) => json((await scope.state.get(request.query)) ?? null),
        async lease() {
          const first = await scope.state.lease('one', 5000)
          await first.release()
          return json([first !== undefined, await scope.state.compareAndSet('k', undefined, 1), await scope.state.compareAndSet('k', undefined, 2)])
        },
        async fetch() {
          const response = await scope.fetch(upstream + '/hello', { method: 'POST', headers: { 'x-a': 'b' }, body: 'ping' })
          const failed = await scope.fetch('http://127.0.0.1:1/').catch((error) => error)
          return json([response.status, response.headers.get('x-up'), await response.text(), failed instanceof GatewayError, failed.code, failed.notExecuted])
        },
        async talk() {
          scope.log.warn('said in a worker', { n: 1, error: new Error('an inner reason') })
          console.log('a stray line')
          return json({ env: Object.keys(process.env), argv: process.argv.slice(2) })
        },
        async link(request) {
          const frames = []
          const link = host.link({ role: 'customer', id: 'ann' }, (frame) => void frames.push(frame), { transient: true })
          await link.receive(request.body)
          await link.caughtUp()
          link.close()
          return json(frames)
        },
        tell: async (request) => json(await host.tell(JSON.parse(text(request.body))).catch(({ code }) => code)),
        async away() {
          await scope.state.put('away', true)
          return json(true)
        },
        async arrived() {
          host.arrived((await scope.state.get('away')).value)
          return json(true)
        },
        async agentLink() {
          host.link({ role: 'agent', id: 'x' }, () => undefined)
        },
        async serve({ query }) {
          host.serve(query, async () => ({ status: 200, body: 'served late' }))
          return json(true)
        },
        async socket({ query }) {
          host.socket(query, () => undefined)
          return json(true)
        },
        die: async () => process.exit(1),
      }
      return {
        async start(given) {
          host = given
          host.onTold((said) => void scope.state.put('told', said))
          host.serve(path, async (request, signal) => actions[request.path.slice(path.length + 1)](request, signal))
          host.serve(
            path + '-own',
            async (request) => {
              throw new GatewayError('FORBIDDEN', 'not for ' + request.method, { cause: new Error('an inner reason') })
            },
            {
              refused: ({ code, status, message, cause }) => {
                if (message.includes('DELETE')) throw new Error('no words')
                return { contentType: 'text/x-own', body: [code, status, message, cause].join('|') }
              },
            },
          )
          host.socket(
            path + '/ws',
            (socket) => {
              socket.onMessage(async (data) => {
                if (data === 'fail') throw new Error('no')
                await socket.send(typeof data === 'string' ? 'heard ' + data : data.subarray(1))
              })
              socket.onClose((code) => void scope.state.put('closed', code))
            },
            {
              protocols: ['demo.1'],
              admit: ({ query }) => {
                if (query !== 'please') throw new GatewayError('FORBIDDEN', 'say please')
              },
            },
          )
        },
        pushesWhole: true,
        refusable: true,
        async send(message, key, signal) {
          const isAway = (await scope.state.get('away'))?.value
          if (isAway === true) {
            await scope.state.put('away', key)
            return { status: 'absent', keepMs: 3_600_000 }
          }
          await scope.fetch(upstream + '/pushed', { method: 'POST', body: JSON.stringify({ key, text: message.parts.map(({ text }) => text).join(' and ') }), signal })
          return { status: 'sent' }
        },
        hint: (origin) => 'curl ' + origin + path + '/say',
        async [Symbol.asyncDispose]() {},
      }
    },
  },
})
`
