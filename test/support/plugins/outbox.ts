// A channel that pushes, as a plugin: it takes `{ draft, waitMs }` at /outbox and posts each reply to the URL of its config.
import { defineAdapter } from 'dragoman'
import type { Draft } from 'dragoman'
import { z } from 'zod'

const config = z.strictObject({ url: z.url() })
const posted = z.looseObject({ waitMs: z.number().optional() })

export default defineAdapter({
  name: 'outbox',
  apiVersion: 1,
  channel: {
    config,
    create(given, scope) {
      const { url } = config.parse(given)
      return {
        async start(host) {
          host.serve('/outbox', async (request, signal) => {
            const body: unknown = JSON.parse(new TextDecoder().decode(request.body))
            const { waitMs } = posted.parse(body)
            const { draft } = body as { draft: Draft } // the test wrote it; the core checks it
            const accepted = await host.accept(draft, { signal, ...(waitMs !== undefined && { waitMs }) })
            return {
              status: 200,
              headers: { 'content-type': 'application/json' },
              body: JSON.stringify(accepted),
              ...(accepted.reply !== undefined && { carries: accepted.id }),
            }
          })
        },
        async send(message, key) {
          const body = JSON.stringify({ key, text: message.parts?.[0]?.text })
          const response = await scope.fetch(url, { method: 'POST', body })
          return response.ok ? { status: 'sent' } : { status: 'refused', retry: true }
        },
        async [Symbol.asyncDispose]() {
          // nothing is held
        },
      }
    },
  },
})
