// The channel: records that come in over TCP, in files, and one at a time by HTTP.
import type { Channel, ChannelHost, Component, HttpRequest, HttpResponse, Scope } from 'dragoman'
import { channelConfig } from './config.ts'
import type { ChannelConfig } from './config.ts'
import { watchFolder } from './folder.ts'
import { intakeOf } from './intake.ts'
import type { Intake } from './intake.ts'
import { openListener } from './listener.ts'

export const channel: Component<Channel, ChannelConfig> = {
  config: channelConfig,
  create: (config, scope) => createChannel(config, scope),
}

function createChannel(config: ChannelConfig, scope: Scope): Channel {
  const { path, listen, folder } = config
  const { log } = scope
  const intake = intakeOf(config)
  const open = new AsyncDisposableStack()

  return {
    async start(host) {
      if (path !== undefined)
        host.serve(path, (request, signal) => post(request, { host, intake, signal, path }))
      if (listen !== undefined) open.use(await openListener({ listen, intake, host, log }))
      if (folder !== undefined) open.use(await watchFolder({ folder, intake, host, scope }))
    },
    hint: (origin) =>
      path === undefined
        ? undefined
        : `curl -s '${origin}${path}' -H 'content-type: application/octet-stream' --data-binary @record.bin`,
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  }
}

interface Posting {
  readonly host: ChannelHost
  readonly intake: Intake
  readonly signal: AbortSignal
  readonly path: string
}

const BYTES = 'application/octet-stream'

async function post(request: HttpRequest, { host, intake, signal, path }: Posting): Promise<HttpResponse> {
  if (request.path !== path) return line(404, `records are taken at ${path}`)
  if (request.method !== 'POST') return line(405, 'send one record by POST', { allow: 'POST' })
  const { 'idempotency-key': key } = request.headers
  const arrival = { record: request.body, kind: 'request', identity: request.identity, signal } as const
  const taken = await intake.take(
    { ...arrival, ...(key !== undefined && { externalId: key.replace(/^"(.*)"$/, '$1') }) },
    host,
  )
  const { accepted, answer, refused } = taken
  if (refused !== undefined) {
    const { status, retryAfterMs, message } = refused
    const later = retryAfterMs === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) }
    if (answer === undefined) return line(status, message, later)
    return { status, headers: { 'content-type': BYTES, ...later }, body: answer.record }
  }
  const carried = accepted === undefined ? {} : { carries: accepted.id }
  if (answer === undefined) return { status: 202, ...carried }
  return { status: 200, headers: { 'content-type': BYTES }, body: answer.record, ...carried }
}

function line(status: number, text: string, headers: Readonly<Record<string, string>> = {}): HttpResponse {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8', ...headers }, body: `${text}\n` }
}
