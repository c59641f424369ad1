// A webservice backend whose business system is a webservice channel: what one writes, the other reads.
import type { Answer, Backend, BackendCall, HttpResponse, Json, Message } from 'dragoman'
import { testMessage, testScope } from 'dragoman/testing'
import adapter from '../../../../adapters/webservice/index.ts'
import { addressOf, bytesOf, path, serve, type Running, type Setting } from './service.ts'

export interface Loop extends AsyncDisposable {
  readonly running: Running
  readonly backend: Backend
  /** What went out last. */
  readonly sent: () => { readonly url: string; readonly init: RequestInit }
  /** What came back last. */
  readonly answered: () => HttpResponse
  call(operation: string, params: Json, message?: Message): Promise<Answer>
}

/** Both ends, with the echo of `serve` or what `setting` says behind them. */
export async function loop(config: Readonly<Record<string, unknown>>, setting: Setting = {}): Promise<Loop> {
  const running = await serve(setting)
  let sent: { url: string; init: RequestInit } | undefined
  let answered: HttpResponse | undefined
  const fetchFromChannel: typeof fetch = async (input, init = {}) => {
    sent = { url: addressOf(input), init }
    const url = new URL(addressOf(input))
    answered = await running.handle({
      method: init.method ?? 'GET',
      path: decodeURIComponent(url.pathname),
      query: url.search.slice(1),
      headers: Object.fromEntries(new Headers(init.headers)),
      body: init.body instanceof Uint8Array ? init.body : new Uint8Array(),
    })
    const { status, headers } = answered
    return new Response(Buffer.from(bytesOf(answered)), { status, ...(headers !== undefined && { headers }) })
  }
  const backend = await makeBackend({ url: `http://erp.example.com${path}`, ...config }, fetchFromChannel)
  return {
    running,
    backend,
    sent: () => sent ?? { url: '', init: {} },
    answered: () => answered ?? { status: 0 },
    call: (operation, params, message) => ask(backend, operation, params, message),
    async [Symbol.asyncDispose]() {
      await backend[Symbol.asyncDispose]()
      await running[Symbol.asyncDispose]()
    },
  }
}

/** A started backend with this fetch. */
export async function makeBackend(config: unknown, fetched: typeof fetch): Promise<Backend> {
  const component = adapter.backend
  if (component === undefined) throw new Error('the adapter has no backend')
  const checked = await component.config['~standard'].validate(config)
  if (checked.issues !== undefined) throw new Error(checked.issues.map(({ message }) => message).join('; '))
  const backend = component.create(checked.value, testScope({ id: 'erp', fetch: fetched }))
  await backend.start?.(new AbortController().signal)
  return backend
}

export function ask(
  backend: Backend,
  operation: string,
  params: Json,
  message: Message = testMessage({ kind: 'request', type: operation, data: params }),
): Promise<Answer> {
  const call: BackendCall = { operation, params, message, key: 'key-1', attempt: 1 }
  return backend.call(call, new AbortController().signal)
}
