// A backend before a business system that gives one answer.
import type { Answer, Json } from 'dragoman'
import { ask, makeBackend } from './loop.ts'
import { addressOf } from './service.ts'

export interface Canned {
  readonly status?: number
  readonly type?: string
  readonly body?: string | Uint8Array
  readonly headers?: Record<string, string>
  readonly cookies?: readonly string[]
}

export interface Seen {
  url: string
  method: string
  headers: Headers
  body: Uint8Array
}

/** Asks a business system that gives one answer. */
export async function asked(
  config: Record<string, unknown>,
  { status = 200, type = 'text/xml; charset=utf-8', body = '', headers = {}, cookies = [] }: Canned,
  params: Json = {},
): Promise<{ readonly answer: Answer; readonly seen: Seen }> {
  const seen: Seen = { url: '', method: '', headers: new Headers(), body: new Uint8Array() }
  const fetched: typeof fetch = async (input, init = {}) => {
    seen.url = addressOf(input)
    seen.method = init.method ?? ''
    seen.headers = new Headers(init.headers)
    seen.body = init.body instanceof Uint8Array ? init.body : new Uint8Array()
    const fields = new Headers({ ...(type === '' ? {} : { 'content-type': type }), ...headers })
    for (const cookie of cookies) fields.append('set-cookie', cookie)
    return new Response(typeof body === 'string' ? body : Buffer.from(body), { status, headers: fields })
  }
  await using backend = await makeBackend({ url: 'http://erp.example.com/service', ...config }, fetched)
  return { answer: await ask(backend, 'GetOrder', params), seen }
}

export const dialects = ['pox', 'asmx-get', 'asmx-post', 'xmlrpc'] as const
