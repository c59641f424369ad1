// A SOAP backend made by hand, and the wire it calls over.
import type { Answer, Backend, Json, Message } from 'dragoman'
import { testMessage, testScope, type ScopeOptions } from 'dragoman/testing'
import adapter from '../../../../adapters/soap/index.ts'
import { envelope, orders, soap11 } from './service.ts'

export const signal = new AbortController().signal

export interface OpenOptions extends ScopeOptions {
  /** Operations that the config has settings for. */
  readonly named?: readonly string[]
  readonly warned?: (message: string) => void
}

export async function open(config: object, { named, warned, ...scope }: OpenOptions = {}): Promise<Backend> {
  const component = adapter.backend
  if (component === undefined) throw new Error('the adapter has no backend')
  const checked = await component.config['~standard'].validate(config)
  if (checked.issues !== undefined) throw new Error(checked.issues.map(({ message }) => message).join('; '))
  const around = testScope(scope)
  const log = { ...around.log, ...(warned !== undefined && { warn: warned }) }
  const backend = component.create(checked.value, { ...around, log })
  await backend.start?.(signal, named)
  return backend
}

export function call(
  backend: Backend,
  operation: string,
  params: Json,
  metadata: Message['metadata'] = {},
): Promise<Answer> {
  const message = { ...testMessage({ kind: 'request', type: operation, data: params }), metadata }
  return backend.call({ operation, params, message, key: message.id, attempt: 1 }, signal)
}

export interface Sent {
  readonly url: string
  readonly headers: Headers
  readonly text: string
}

/** A fetch that remembers and answers as told. */
export function wire(reply: (sent: Sent) => Response | Promise<Response>): {
  readonly fetch: typeof fetch
  readonly sent: Sent[]
} {
  const sent: Sent[] = []
  const send: typeof fetch = async (input, init) => {
    const request = new Request(input, init)
    const one = { url: request.url, headers: request.headers, text: await request.text() }
    sent.push(one)
    return reply(one)
  }
  return { fetch: send, sent }
}

export const xml = (text: string, status = 200, type = 'text/xml; charset=utf-8'): Response =>
  new Response(text, { status, headers: { 'content-type': type } })
export const ticketAnswer = (uri = soap11): string =>
  envelope(`<o:WhoAmIResponse xmlns:o="${orders}"><o:user>x</o:user></o:WhoAmIResponse>`, { uri })
