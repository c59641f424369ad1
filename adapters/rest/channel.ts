// The REST channel: /v1 and its description.
import { z } from 'zod'

import { GatewayError } from 'dragoman'
import type { Channel, ChannelHost, Component, HttpRequest, HttpResponse, Scope } from 'dragoman'

import { findEndpoint } from './endpoints.ts'
import { postEvent } from './events.ts'
import { postLink } from './link.ts'
import { getLog } from './log.ts'
import { postMessage } from './messages.ts'
import { openApi, servedAt } from './openapi.ts'
import type { Document } from './openapi.ts'
import { problemOf } from './problem.ts'
import { postRequest } from './requests.ts'
import { socketOptions, socketTaker } from './socket.ts'

const DEFAULT_PATH = '/v1'
const address = z.string().regex(/^(\/[\w.~:@!$&'()*+,;=-]+)+$/, 'expected a path such as /v1')

export const channelConfig = z.strictObject({
  path: address.default(DEFAULT_PATH).meta({ description: 'Everything is served below it.' }),
  waitMs: z.int().min(0).max(300_000).default(30_000).meta({
    description: 'The longest that `Prefer: wait` is followed, in milliseconds.',
  }),
  heartbeatMs: z.int().min(100).max(120_000).default(15_000).meta({
    description: 'A silent event stream gets a sign of life this often, in milliseconds.',
  }),
  openapi: address.optional().meta({
    description:
      'Where the OpenAPI document is; default /openapi.json, or PATH/openapi.json beside another path.',
  }),
})

type ChannelConfig = z.output<typeof channelConfig>

export const channel: Component<Channel, ChannelConfig> = {
  config: channelConfig,
  create: (config, scope) => createChannel(config, scope),
}

function createChannel(config: ChannelConfig, scope: Scope): Channel {
  const { path, waitMs: maxWaitMs, heartbeatMs } = config
  const { log } = scope
  const closed = new AbortController()

  function answer(
    host: ChannelHost,
    request: HttpRequest,
    signal: AbortSignal,
    closing: AbortSignal,
  ): Promise<HttpResponse> {
    const { endpoint, parameter } = findEndpoint(request.method, request.path, path)
    const posting = { host, maxWaitMs, now: () => scope.now(), signal }
    switch (endpoint.name) {
      case 'messages':
        return postMessage(request, posting)
      case 'events':
        return postEvent(request, { ...posting, channel: scope.id })
      case 'event':
        return postEvent(request, { ...posting, channel: scope.id, type: parameter })
      case 'request':
        return postRequest(request, { ...posting, channel: scope.id, operation: parameter })
      case 'link':
        return postLink(request, { host, maxWaitMs, signal, closing })
      case 'ws':
        throw new GatewayError(
          'DECODE_FAILED',
          `${request.path} is a WebSocket: send the handshake of RFC 6455, or use POST ${path}/link`,
        )
      case 'log':
        return getLog(request, {
          host,
          conversation: parameter,
          maxWaitMs,
          heartbeatMs,
          log,
          signal,
          closing,
        })
    }
  }

  return {
    async start(host, signal) {
      const closing = AbortSignal.any([signal, closed.signal])
      host.serve(path, async (request, gone) => {
        try {
          return await answer(host, request, gone, closing)
        } catch (error) {
          return problemOf(error, log)
        }
      })
      const place = { ws: `${path}/ws`, http: `${path}/link` }
      host.socket(place.ws, socketTaker(host, log), socketOptions)
      host.linkedAt({ protocol: 'ws', up: place.ws, down: place.ws })
      host.linkedAt({ protocol: 'http', up: place.http, down: place.http })
      const description = openApi(path, host.operations)
      const at = config.openapi ?? (path === DEFAULT_PATH ? '/openapi.json' : `${path}/openapi.json`)
      host.serve(at, async (request) => describe(request, at, description, log))
    },
    hint: (origin) =>
      [
        `curl -s '${origin}${path}/messages'`,
        `-H 'content-type: application/json' -H 'prefer: wait=5'`,
        `-d '{"sender":{"id":"you"},"text":"Where is my order 000777?"}'`,
      ].join(' '),
    async [Symbol.asyncDispose]() {
      closed.abort()
    },
  }
}

function describe(request: HttpRequest, at: string, description: Document, log: Scope['log']): HttpResponse {
  if (request.path !== at) return problemOf(new GatewayError('NOT_FOUND', `the document is at ${at}`), log)
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return problemOf(
      new GatewayError('METHOD_NOT_ALLOWED', `${request.method} is not taken here: use GET`, {
        detail: { allow: 'GET, HEAD' },
      }),
      log,
    )
  return {
    status: 200,
    // Anybody may read it from a page on another site: it describes, it does not tell.
    headers: { 'content-type': 'application/json', 'access-control-allow-origin': '*' },
    body: JSON.stringify(servedAt(request.origin, description)),
  }
}
