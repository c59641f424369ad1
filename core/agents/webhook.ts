// The agent that is somebody's program behind a URL: asked by a signed CloudEvent, answering in JSON.
import { defineAdapter, GatewayError } from 'dragoman'
import type { Agent, Answer, Conversation, Handoff, Message, Scope } from 'dragoman'
import { z } from 'zod'
import { readAnswer } from './webhook/answer.ts'
import { eventOf } from './webhook/event.ts'
import { isSecret, signer } from './webhook/signature.ts'

/** They say what the body is and who signed it: the config cannot. */
const ownHeaders =
  /^(?:webhook-.*|content-.*|host|connection|transfer-encoding|upgrade|expect|keep-alive|te|trailer)$/

const config = z.strictObject({
  url: z
    .url({ protocol: /^https?$/, error: 'expected an address such as https://bots.example.com/helper' })
    .refine(
      (url) => !/^https?:\/\/[^/?#]*@/i.test(url),
      'credentials belong into headers: { authorization: … }',
    )
    .meta({ description: 'Where every message is posted.' }),
  // Words of the secret are masked in what is said of it: its prefix would be.
  secret: z
    .string()
    .refine(isSecret, 'by its beginning a Standard Webhooks one, but what follows the _ is not base64')
    .optional()
    .meta({
      description: 'Signs by the Standard Webhooks rules: whsec_ and base64, or any text. Empty: unsigned.',
    }),
  headers: z
    .record(
      z
        .string()
        .regex(/^[!#$%&'*+.^_`|~\w-]+$/, 'expected the name of a header field')
        .refine((name) => !ownHeaders.test(name.toLowerCase()), 'this header is set by the webhook itself'),
      z.string().regex(/^[\t\x20-\x7e]*$/, 'expected visible ASCII on one line'),
    )
    .optional()
    .meta({ description: 'Sent along, for a proxy that wants a key.' }),
})
type Config = z.output<typeof config>

export default defineAdapter({
  name: 'webhook',
  apiVersion: 1,
  agent: { config, create: createWebhook },
})

/** Asks a bot over HTTP (DESIGN §8 Bots). Its README says what the bot sees and may answer. */
function createWebhook({ url, secret = '', headers = {} }: Config, scope: Scope): Agent {
  const sign = secret === '' ? undefined : signer(secret)
  const who = `agent "${scope.id}"`

  return {
    async start() {
      if (sign === undefined)
        scope.log.warn('the webhook has no secret: its bot cannot know that a message comes from here', {
          url,
        })
    },

    /** The message's id is the `webhook-id` of every attempt: a bot that sees it again has seen it (SEMANTICS 7). */
    async answer(
      message: Message,
      conversation: Conversation,
      signal: AbortSignal,
    ): Promise<Answer | Handoff | undefined> {
      const body = JSON.stringify(eventOf(message, conversation))
      const signed = sign?.(message.id, scope.now(), body) ?? { 'webhook-id': message.id }
      const response = await ask({
        method: 'POST',
        headers: {
          ...headers,
          ...signed,
          'content-type': 'application/cloudevents+json; charset=utf-8',
          accept: 'application/json',
        },
        body,
        signal,
        redirect: 'manual', // a POST that becomes a GET elsewhere is no answer, and the token is for this address alone
      })
      return readAnswer(response, { who, now: scope.now() })
    },

    async [Symbol.asyncDispose]() {
      // Nothing is held: the connections are the scope's.
    },
  }

  async function ask(request: RequestInit): Promise<Response> {
    try {
      return await scope.fetch(url, request)
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'BACKEND_FAILED') throw error
      throw new GatewayError('AGENT_FAILED', `${who}: ${error.message}`, {
        cause: error.cause,
        notExecuted: error.notExecuted,
      })
    }
  }
}
