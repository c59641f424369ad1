// What `dragoman new adapter` writes: the plugin, its test, its README, for each of the three things an adapter can be.

export type AdapterRole = 'channel' | 'backend' | 'agent'

/** By file name, the entry last. */
export function adapterFiles(name: string, role: AdapterRole): readonly (readonly [string, string])[] {
  const texts = { backend: backendTexts, channel: channelTexts, agent: agentTexts }[role](name)
  return [
    ['README.md', `# ${name}\n\n${texts.readme}`],
    ['index.test.ts', texts.test],
    ['index.ts', texts.plugin],
  ]
}

interface Texts {
  readonly plugin: string
  readonly test: string
  readonly readme: string
}

const HEAD = (what: string, types: string): string => `// ${what}
import { defineAdapter, GatewayError } from 'dragoman'
import type { ${types} } from 'dragoman'
import { z } from 'zod'
`

const RUN = (name: string): string => `
\`npx dragoman plugins test ${name}\` runs its test (\`--plugins DIR\` where it lies elsewhere), \`npx dragoman plugins\` shows how it stands in the gateway that runs.
`

const WHOLE =
  'This is a whole `gateway.yaml`; if you have one, put the names under its own keys. It lies beside the plugins folder.'

function backendTexts(name: string): Texts {
  return {
    plugin: `${HEAD('A business system that speaks JSON over HTTP: change what is asked and what is made of the answer.', 'Answer, Backend, BackendCall, Scope')}
const config = z.strictObject({
  /** Where it is: \`http://10.0.0.5:8080\`. */
  url: z.url(),
})
const params = z.looseObject({ orderNo: z.string().min(1) })

function createBackend({ url }: z.output<typeof config>, scope: Scope): Backend {
  async function getOrder(call: BackendCall, signal: AbortSignal): Promise<Answer> {
    const asked = params.safeParse(call.params)
    if (!asked.success) return { fault: { code: 'InvalidParameters', message: 'orderNo is missing' } }
    // Guarded: only hosts of the config, bounded, and it ends with the call.
    const response = await scope.fetch(\`\${url}/orders/\${encodeURIComponent(asked.data.orderNo)}\`, { signal })
    // A business fault is an answer; only a breakage is thrown.
    if (response.status === 404) return { fault: { code: 'OrderNotFound', message: 'there is no such order' } }
    if (!response.ok) throw new GatewayError('BACKEND_FAILED', \`${name} answered \${response.status}\`)
    return { data: z.json().parse(await response.json()) }
  }

  return {
    // safe: changes nothing, so it may be cached and tried again.
    operations: { GetOrder: { safe: true } },
    async call(call, signal) {
      if (call.operation === 'GetOrder') return getOrder(call, signal)
      throw new GatewayError('NO_ROUTE', \`${name} has GetOrder, not \${call.operation}\`)
    },
    async [Symbol.asyncDispose]() {
      // Close here what \`start\` has opened.
    },
  }
}

export default defineAdapter({
  name: '${name}',
  apiVersion: 1,
  backend: { config, create: createBackend },
})
`,
    test: `import { createServer } from 'node:http'
import { testPlugin } from 'dragoman/testing'
import { afterAll } from 'vitest'

// Stands for the business system; use the real one where you can.
const system = createServer((request, response) => {
  const isFound = request.url === '/orders/000777'
  response.writeHead(isFound ? 200 : 404, { 'content-type': 'application/json' })
  response.end(isFound ? '{"orderNo":"000777","status":"shipped"}' : '{}')
})
await new Promise<void>((listening) => system.listen(0, '127.0.0.1', listening))
const address = system.address()
const port = typeof address === 'object' && address !== null ? address.port : 0
afterAll(() => {
  system.closeAllConnections()
  system.close()
})

await testPlugin('${name}', {
  file: new URL('./index.ts', import.meta.url),
  backend: {
    config: { url: \`http://127.0.0.1:\${port}\` },
    calls: [
      {
        operation: 'GetOrder',
        params: { orderNo: '000777' },
        answer: { data: { orderNo: '000777', status: 'shipped' } },
      },
      { operation: 'GetOrder', params: { orderNo: '1' }, answer: { fault: { code: 'OrderNotFound', message: 'there is no such order' } } },
    ],
  },
})
`,
    readme: `A backend: a business system that speaks JSON over HTTP. ${WHOLE}

\`\`\`yaml
channels:
  web: { adapter: rest }
backends:
  orders: { adapter: ${name}, url: http://127.0.0.1:9001 }
routes:
  - { when: "kind = 'request' and type = 'GetOrder'", backend: orders }
\`\`\`

\`\`\`sh
curl http://127.0.0.1:8080/v1/requests/GetOrder -H 'content-type: application/json' -d '{"orderNo":"000777"}'
\`\`\`

| Key | |
| --- | --- |
| \`url\` | where the system is |
${RUN(name)}`,
  }
}

function channelTexts(name: string): Texts {
  return {
    plugin: `${HEAD('Callers who send JSON by POST: change how a request is read and how the answer is written.', 'Channel, HttpRequest, HttpResponse')}
const config = z.strictObject({
  /** Served, with everything below it. */
  path: z.string().startsWith('/').default('/${name}'),
})
const body = z.strictObject({ id: z.string().optional(), from: z.string().min(1), text: z.string().min(1) })

function createChannel({ path }: z.output<typeof config>): Channel {
  return {
    async start(host) {
      async function handle(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
        const said = body.parse(parsed(request.body))
        // Resolves when the message is stored: only now may it be acknowledged.
        const { id, reply } = await host.accept(
          {
            kind: 'message',
            type: 'text',
            sender: { id: said.from, role: 'customer' },
            parts: [{ kind: 'text', text: said.text }],
            // The caller's own id: sent again, it is not delivered twice.
            ...(said.id !== undefined && { externalId: said.id }),
          },
          { waitMs: 5000, signal, identity: request.identity },
        )
        const text = reply?.parts?.map((part) => part.text).join('\\n') ?? null
        return answer(reply === undefined ? 202 : 200, { id, text })
      }
      host.serve(path, async (request, signal) => {
        try {
          return await handle(request, signal)
        } catch (error) {
          const known = error instanceof z.ZodError ? new GatewayError('DECODE_FAILED', z.prettifyError(error)) : GatewayError.from(error)
          return answer(known.status, { error: known.code, message: known.message })
        }
      })
    },
    hint: (origin) => \`curl \${origin}\${path} -d '{"from":"ann","text":"hello"}'\`,
    async [Symbol.asyncDispose]() {
      // Close here what \`start\` has opened.
    },
  }
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch (error) {
    throw new GatewayError('DECODE_FAILED', 'the body is not JSON', { cause: error })
  }
}

function answer(status: number, value: object): HttpResponse {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) }
}

export default defineAdapter({
  name: '${name}',
  apiVersion: 1,
  channel: { config, create: createChannel },
})
`,
    test: `import { testPlugin } from 'dragoman/testing'

await testPlugin('${name}', {
  file: new URL('./index.ts', import.meta.url),
  channel: {
    config: { path: '/${name}' },
    request: { path: '/${name}', body: new TextEncoder().encode('{"from":"ann","text":"hello"}') },
    draft: { kind: 'message', sender: { id: 'ann', role: 'customer' }, parts: [{ kind: 'text', text: 'hello' }] },
    reply: { origin: 'agent', parts: [{ kind: 'text', text: 'hi' }] },
  },
})
`,
    readme: `A channel: callers who send JSON by POST. ${WHOLE} Who answers is up to you: \`parrot\` is the bot of
plugins/README.md.

\`\`\`yaml
channels:
  ${name}: { adapter: ${name}, path: /${name} }
agents:
  parrot: { adapter: echo }
routes:
  - { when: "kind = 'message'", agent: parrot }
\`\`\`

\`\`\`sh
curl http://127.0.0.1:8080/${name} -d '{"from":"ann","text":"hello"}'
\`\`\`

| Key | |
| --- | --- |
| \`path\` | where it is served |
${RUN(name)}`,
  }
}

function agentTexts(name: string): Texts {
  return {
    plugin: `// A bot: change what it answers.
import { defineAdapter } from 'dragoman'
import type { Agent, Message } from 'dragoman'
import { z } from 'zod'

const config = z.strictObject({ greeting: z.string().default('You said') })

function createAgent({ greeting }: z.output<typeof config>): Agent {
  return {
    // Called at least once per message, with the message's id as the stable key.
    async answer(message) {
      const text = textOf(message)
      if (text === '') return undefined // taken: nothing to say
      if (/\\bhuman\\b/i.test(text)) return { handoff: 'the customer asks for a person' }
      return { text: \`\${greeting}: \${text}\` }
    },
    async [Symbol.asyncDispose]() {
      // Close here what \`start\` has opened.
    },
  }
}

function textOf({ parts = [] }: Message): string {
  return parts.map(({ text }) => text).join(' ').trim()
}

export default defineAdapter({
  name: '${name}',
  apiVersion: 1,
  agent: { config, create: createAgent },
})
`,
    test: `import { testPlugin } from 'dragoman/testing'

await testPlugin('${name}', {
  file: new URL('./index.ts', import.meta.url),
  agent: {
    config: { greeting: 'I heard' },
    says: [
      { text: 'hello', answer: { text: 'I heard: hello' } },
      { text: 'a human, please', answer: { handoff: 'the customer asks for a person' } },
    ],
  },
})
`,
    readme: `An agent: a bot that answers by itself. ${WHOLE}

\`\`\`yaml
channels:
  web: { adapter: rest }
agents:
  ${name}: { adapter: ${name}, greeting: I heard }
routes:
  - { when: "kind = 'message'", agent: ${name} }
\`\`\`

\`\`\`sh
npx dragoman send hello
\`\`\`

| Key | |
| --- | --- |
| \`greeting\` | what it begins its answers with |
${RUN(name)}`,
  }
}
