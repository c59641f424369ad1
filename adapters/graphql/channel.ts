// The GraphQL channel: one path for queries, mutations and subscriptions.
import type { Channel, ChannelHost, Component, HttpHandler, HttpRequest, Scope } from 'dragoman'

import { bindSchema } from './bind.ts'
import { builtInRoots, builtInSchema } from './built-in.ts'
import type { Call } from './call.ts'
import { channelConfig } from './channel-config.ts'
import type { ChannelConfig } from './channel-config.ts'
import { inItsForm } from './errors.ts'
import { answer, refusedBody } from './http.ts'
import { openPersisted } from './persisted.ts'
import { readSchema, schemaFirstRoots } from './schema-first.ts'
import { createEngine } from './server.ts'
import { serveSockets } from './socket.ts'

export const channel: Component<Channel, ChannelConfig> = {
  config: channelConfig,
  create: (config, scope) => createChannel(config, scope),
}

function createChannel(config: ChannelConfig, scope: Scope): Channel {
  const { path, schema: file, waitMs: maxWaitMs } = config
  const { log, id } = scope
  const closed = new AbortController()

  return {
    async start(host: ChannelHost, ending) {
      const closing = AbortSignal.any([ending, closed.signal])
      const schema =
        file === undefined
          ? bindSchema(builtInSchema(), builtInRoots)
          : bindSchema(await readSchema(file, host.operations), schemaFirstRoots)
      const persisted = await openPersisted(config.persisted)
      const engine = createEngine({ config, schema, persisted, log })
      const common = { host, channel: id, maxWaitMs, closing, log }
      const callOf = (asked: HttpRequest, transport: Call['transport']): Omit<Call, 'raw' | 'signal'> => ({
        ...common,
        identity: asked.identity,
        transport,
        request: asked,
      })
      const handler: HttpHandler = async (request, gone) =>
        answer(request, {
          engine,
          path,
          batch: config.limits.batch,
          now: () => scope.now(),
          log,
          callOf: (asked, transport) => ({
            ...callOf(asked, transport),
            signal: gone,
            ...(transport === 'post' && {
              raw: { mediaType: asked.headers['content-type'] ?? 'application/json', bytes: asked.body },
            }),
          }),
        })
      // The gateway has logged what is to be logged of it.
      host.serve(path, handler, { refused: (error) => refusedBody(inItsForm(error)) })
      serveSockets({
        host,
        path,
        engine,
        persisted,
        concurrent: config.limits.concurrent,
        log,
        callOf: (asked) => callOf(asked, 'socket'),
      })
    },
    hint: (origin) => {
      if (config.persisted.only) return undefined // which of the file's documents can be sent as it stands is not known
      const asked =
        file === undefined
          ? {
              query:
                'mutation($text: String) { sendMessage(sender: {id: "you"}, text: $text, waitMs: 5000) { id conversation reply { text } } }',
              variables: { text: 'Where is my order 000777?' },
            }
          : { query: '{ __typename }' }
      return `curl -s '${origin}${path}' -H 'content-type: application/json' -d '${JSON.stringify(asked)}'`
    },
    async [Symbol.asyncDispose]() {
      closed.abort()
    },
  }
}
