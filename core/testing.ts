/**
 * The conformance suites, for built-in adapters and plugins alike: `import { testBackend } from 'dragoman/testing'` in a vitest file.
 * Each suite takes an adapter, a config and a sample of real traffic, and checks what the gateway relies on.
 */
import { describe, expect, test } from 'vitest'
import { GatewayError, adapterProblem, errorTable } from './api.ts'
import type {
  Accepted,
  Adapter,
  Answer,
  BackendCall,
  Channel,
  ChannelHost,
  ChannelOperation,
  Component,
  Conversation,
  Draft,
  ErrorCode,
  HttpResponse,
  Json,
  Log,
  Message,
  Reply,
  Scope,
  SocketHandler,
  SocketOptions,
  State,
} from './api.ts'
import { refuseForeign } from './components/foreign.ts'
import { testLink } from './testing/link.ts'
import type { TestLink } from './testing/link.ts'
import { testOthers } from './testing/others.ts'
import type { TestOthers } from './testing/others.ts'
import { testServed, wholeRequest } from './testing/served.ts'
import type { TestRequest } from './testing/served.ts'
import { testSocket } from './testing/socket.ts'
import type { TestSocket } from './testing/socket.ts'

export type { TestLink } from './testing/link.ts'
export type { TestOthers } from './testing/others.ts'
export type { TestRequest } from './testing/served.ts'
export type { TestSocket } from './testing/socket.ts'
export { testPlugin } from './testing/plugin.ts'
export type { PluginSuite } from './testing/plugin.ts'

export interface ScopeOptions {
  readonly id?: string
  readonly fetch?: typeof fetch
  /** Default 4 MB, as in the config. Only what takes answers without `fetch` keeps to it here. */
  readonly responseLimitBytes?: number
  readonly now?: () => number
}

/** A scope with a silent log, a state in memory and, unless given, Node's own fetch. */
export function testScope(options: ScopeOptions = {}): Scope {
  const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }
  return {
    id: options.id ?? 'test',
    log: silent,
    now: options.now ?? Date.now,
    metrics: { count() {}, gauge() {} },
    fetch: options.fetch ?? fetch,
    responseLimitBytes: options.responseLimitBytes ?? 4 * 1024 * 1024,
    state: testState(),
  }
}

/** A message as the core would hand it over. */
export function testMessage(draft: Partial<Pick<Message, 'kind' | 'type' | 'parts' | 'data'>> = {}): Message {
  const id = '01900000-0000-7000-8000-000000000001'
  return Object.freeze<Message>({
    kind: 'message',
    type: 'text',
    sender: { id: 'ann', role: 'customer' },
    parts: [{ kind: 'text', text: 'hello' }],
    ...draft,
    id,
    channel: 'test',
    conversation: 'test:ann',
    direction: 'inbound',
    sequence: 1,
    receivedAt: '2026-01-01T00:00:00.000Z',
    correlationId: id,
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  })
}

export const testConversation: Conversation = {
  id: 'test:ann',
  customer: { id: 'ann', role: 'customer' },
  callback: { url: 'http://127.0.0.1/v1/callbacks/1', token: '0.token' },
}

export interface TestHost extends ChannelHost, TestOthers {
  /** What was handed in, in order. */
  readonly drafts: readonly Draft[]
  /** The links that were opened, in order; an error told to `answer` is what their `receive` rejects with. */
  readonly links: readonly TestLink[]
  /** What `accept` does from now on: reply with this, or throw this. */
  answer(with_: Reply | GatewayError | undefined): void
  handle(request: TestRequest): Promise<HttpResponse>
  /** Opens a WebSocket at this very path. */
  connect(request: TestRequest): TestSocket
}

/** A host that remembers drafts and answers as told. */
export function testHost(operations: Readonly<Record<string, ChannelOperation>> = {}): TestHost {
  const drafts: Draft[] = []
  const links: TestLink[] = []
  const served = testServed()
  const taken = new Map<string, { readonly handler: SocketHandler; readonly options: SocketOptions }>()
  let next: Reply | GatewayError | undefined
  return {
    drafts,
    links,
    operations,
    ...testOthers(),
    answer: (with_) => {
      next = with_
    },
    async accept(draft): Promise<Accepted> {
      refuseForeign(draft, 'the draft')
      drafts.push(structuredClone(draft))
      if (next instanceof GatewayError) throw next
      const accepted = {
        id: `m${drafts.length}`,
        conversation: draft.conversation ?? 'c',
        sequence: drafts.length,
      }
      return { ...accepted, duplicate: false, ...(next !== undefined && { reply: next }) }
    },
    handed() {},
    serve: served.serve,
    socket(path, handler, options = {}) {
      taken.set(path, { handler, options })
    },
    link(who, send, options = {}) {
      const made = testLink({ who, send, options }, () => (next instanceof GatewayError ? next : undefined))
      links.push(made.seen)
      return made.link
    },
    linkedAt() {},
    async draft(operation, body, base) {
      if (Object.keys(operations).length > 0 && !Object.hasOwn(operations, operation)) return undefined
      const kind = operations[operation]?.kind ?? base.kind
      const data: Json = body
      return { sender: { id: 'test', role: 'system' }, ...base, kind, type: operation, data }
    },
    log: async () => ({ messages: [], next: 0, oldest: 1, top: 0, truncated: false }),
    identify: async () => ({ role: 'program', id: 'test' }),
    handle: served.handle,
    connect(request) {
      const found = taken.get(request.path)
      if (found === undefined) throw new Error(`nothing takes WebSockets at ${request.path}`)
      const made = testSocket(undefined, found.options)
      found.handler(made.socket, wholeRequest(request, 'GET'))
      return made.peer
    },
  }
}

export interface ChannelSuite {
  readonly adapter: Adapter
  readonly config: unknown
  readonly operations?: Readonly<Record<string, ChannelOperation>>
  /**
   * A real call that yields one draft. Of a channel with its own sockets: a function that makes it, with this payload instead
   * of its own where one is given, and resolves with what came back.
   */
  readonly request: TestRequest | ((payload?: Uint8Array) => Promise<string>)
  /** What of that draft must be so. */
  readonly draft: Partial<Draft>
  readonly reply: Reply
}

/** Runs the channel suite. */
export function testChannel(name: string, suite: ChannelSuite): void {
  describe(`${name} as a channel`, () => {
    shape(suite.adapter, suite.adapter.channel, suite.config)
    const open = async (): Promise<{ host: TestHost; channel: Channel }> => {
      const channel = await make(suite.adapter.channel, suite.config)
      const host = testHost(suite.operations)
      await channel.start(host, new AbortController().signal)
      return { host, channel }
    }

    test('hands in a draft of plain data that says what the call said', async () => {
      const { host, channel } = await open()
      await using _ = channel
      host.answer(suite.reply)
      const { status = 200, body } = await called(host, suite.request)
      expect(status, `the suite's request was answered: ${body}`).toBeLessThan(300)
      expect(host.drafts, 'what was handed to host.accept').toHaveLength(1)
      expect(host.drafts[0]).toMatchObject(suite.draft)
    })

    test('maps every error code to a refusal of its own protocol without a word of our insides', async () => {
      const { host, channel } = await open()
      await using _ = channel
      for (const code of Object.keys(errorTable) as ErrorCode[]) {
        const cause = new Error('secret inside')
        host.answer(new GatewayError(code, `refused for the test of ${code}`, { cause }))
        const { status = 500, body } = await called(host, suite.request)
        expect(status, code).toBeGreaterThanOrEqual(200)
        expect(body, code).not.toMatch(/secret inside|\n\s+at .*:\d+/u)
      }
    })

    test('refuses what it cannot read and hands nothing in', async () => {
      const { host, channel } = await open()
      await using _ = channel
      for (const garbage of ['\u0000\u0001', '<', '{', '', '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>']) {
        const { status = 400, body } = await called(host, suite.request, new TextEncoder().encode(garbage))
        expect(status, `${JSON.stringify(garbage)} was answered: ${body}`).toBeGreaterThanOrEqual(400)
      }
      expect(host.drafts).toHaveLength(0)
    })

    test('ends before it began, and twice', async () => {
      const channel = await make(suite.adapter.channel, suite.config)
      await expect(twice(channel)).resolves.toBeUndefined()
    })
  })
}

/** Without a status where the channel has its own sockets. */
async function called(
  host: TestHost,
  request: ChannelSuite['request'],
  body?: Uint8Array,
): Promise<{ readonly status?: number; readonly body: string }> {
  if (typeof request === 'function') return { body: await request(body) }
  const response = await host.handle({ ...request, ...(body !== undefined && { body }) })
  return { status: response.status, body: await text(response.body) }
}

export interface BackendSuite {
  readonly adapter: Adapter
  readonly config: unknown
  readonly scope?: ScopeOptions
  readonly calls: readonly {
    readonly operation: string
    readonly params: Json
    /** What of the answer must be so. */
    readonly answer: Answer
  }[]
}

/** Runs the backend suite against a running counterpart. */
export function testBackend(name: string, suite: BackendSuite): void {
  describe(`${name} as a backend`, () => {
    shape(suite.adapter, suite.adapter.backend, suite.config)
    const signal = new AbortController().signal
    const call = (operation: string, params: Json): BackendCall => {
      const message = testMessage({ kind: 'request', type: operation, data: params })
      return { operation, params, message, key: message.id, attempt: 1 }
    }

    test.each(suite.calls)('answers $operation with plain data', async ({ operation, params, answer }) => {
      await using backend = await make(suite.adapter.backend, suite.config, suite.scope)
      await backend.start?.(signal)
      const isNamed = Object.hasOwn(backend.operations, operation) || Object.hasOwn(backend.operations, '*')
      expect(isNamed, `the backend's operations name ${operation}`).toBe(true)
      const given = await backend.call(call(operation, params), signal)
      refuseForeign(given, 'the answer')
      expect(structuredClone(given)).toMatchObject(answer)
    })

    test('refuses an operation it does not have with a GatewayError', async () => {
      await using backend = await make(suite.adapter.backend, suite.config, suite.scope)
      await backend.start?.(signal)
      if (Object.hasOwn(backend.operations, '*')) return
      await expect(async () => backend.call(call('noSuchOperation', {}), signal)).rejects.toBeInstanceOf(
        GatewayError,
      )
    })

    test('ends before it began, and twice', async () => {
      const backend = await make(suite.adapter.backend, suite.config, suite.scope)
      await expect(twice(backend)).resolves.toBeUndefined()
    })
  })
}

export interface AgentSuite {
  readonly adapter: Adapter
  readonly config: unknown
  readonly scope?: ScopeOptions
  readonly says: readonly { readonly text: string; readonly answer: unknown }[]
}

/** Runs the agent suite. */
export function testAgent(name: string, suite: AgentSuite): void {
  describe(`${name} as an agent`, () => {
    shape(suite.adapter, suite.adapter.agent, suite.config)
    const signal = new AbortController().signal

    test.each(suite.says)('answers "$text" with plain data', async ({ text: said, answer }) => {
      await using agent = await make(suite.adapter.agent, suite.config, suite.scope)
      await agent.start?.(signal)
      const message = testMessage({ parts: [{ kind: 'text', text: said }] })
      const given = await agent.answer(message, testConversation, signal)
      refuseForeign(given, 'the answer')
      expect(structuredClone(given)).toEqual(answer)
    })

    test('ends before it began, and twice', async () => {
      const agent = await make(suite.adapter.agent, suite.config, suite.scope)
      await expect(twice(agent)).resolves.toBeUndefined()
    })
  })
}

function shape(adapter: Adapter, component: Component<unknown> | undefined, config: unknown): void {
  test('has the shape of an adapter', () => {
    expect(adapterProblem(adapter)).toBeUndefined()
    expect(component).toBeDefined()
  })

  test('accepts its config and refuses an unknown key', async () => {
    const schema = component?.config['~standard']
    expect(await schema?.validate(config)).not.toHaveProperty('issues.0')
    const more = { ...(config as object), noSuchKey: true }
    const taken = await schema?.validate(more)
    expect(taken, 'its schema takes a key nobody knows: use z.strictObject').toHaveProperty('issues.0')
  })
}

async function make<T>(
  component: Component<T> | undefined,
  config: unknown,
  scope: ScopeOptions = {},
): Promise<T> {
  if (component === undefined) throw new Error('the adapter does not offer this')
  const result = await component.config['~standard'].validate(config) // a plugin's schema lives in its worker
  if (result.issues !== undefined) throw new Error(result.issues.map((issue) => issue.message).join('; '))
  return component.create(result.value, testScope(scope))
}

async function twice(component: AsyncDisposable): Promise<void> {
  await component[Symbol.asyncDispose]()
  await component[Symbol.asyncDispose]()
}

async function text(body: HttpResponse['body']): Promise<string> {
  if (body === undefined) return ''
  if (typeof body === 'string') return body
  if (body instanceof Uint8Array) return new TextDecoder().decode(body)
  let all = ''
  for await (const piece of body) all += typeof piece === 'string' ? piece : new TextDecoder().decode(piece)
  return all
}

function testState(): State {
  const values = new Map<string, { value: Json; version: number }>()
  const leases = new Set<string>()
  return {
    get: async (key) => values.get(key),
    async put(key, value) {
      refuseForeign(value, 'a state value')
      values.set(key, { value, version: (values.get(key)?.version ?? 0) + 1 })
    },
    async compareAndSet(key, expected, value) {
      refuseForeign(value, 'a state value')
      if (values.get(key)?.version !== expected) return false
      values.set(key, { value, version: (expected ?? 0) + 1 })
      return true
    },
    async lease(name) {
      if (leases.has(name)) return undefined
      leases.add(name)
      return {
        async release() {
          leases.delete(name)
        },
      }
    },
  }
}
