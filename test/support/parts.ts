// Adapters made by hand for tests: an agent, a backend and a channel that do as they are told and remember what they saw.
import { z } from 'zod'
import { defineAdapter } from '../../core/api.ts'
import type {
  Adapter,
  Agent,
  Answer,
  BackendCall,
  ChannelHost,
  Conversation,
  Delivery,
  Draft,
  Message,
  Operation,
} from '../../core/api.ts'

const nothing = z.strictObject({ tag: z.string().optional() }) // a tag makes another component of it
const disposal = { async [Symbol.asyncDispose]() {} }

export interface HandAgent {
  readonly adapter: Adapter
  readonly asked: { readonly message: Message; readonly conversation: Conversation }[]
  /** Instances made and ended so far. */
  made: number
  ended: number
  /** Calls that were running, or came, when their instance had ended. */
  outlived: number
  answer: (message: Message, conversation: Conversation, signal: AbortSignal) => ReturnType<Agent['answer']>
}

export function handAgent(name: string, answer: HandAgent['answer']): HandAgent {
  const agent: HandAgent = {
    asked: [],
    made: 0,
    ended: 0,
    outlived: 0,
    answer,
    adapter: defineAdapter({
      name,
      apiVersion: 1,
      agent: {
        config: nothing,
        create() {
          agent.made++
          let hasEnded = false
          return {
            async answer(message, conversation, signal) {
              agent.asked.push({ message, conversation })
              try {
                return await agent.answer(message, conversation, signal)
              } finally {
                if (hasEnded) agent.outlived++
              }
            },
            async [Symbol.asyncDispose]() {
              if (!hasEnded) agent.ended++
              hasEnded = true
            },
          }
        },
      },
    }),
  }
  return agent
}

/** Says the text it was told, with a word before it. */
export async function echo({ parts }: Message): Promise<Answer> {
  return { text: `echo ${parts?.[0]?.text ?? ''}` }
}

export interface HandBackend {
  readonly adapter: Adapter
  readonly calls: BackendCall[]
  call: (call: BackendCall, signal: AbortSignal) => Promise<Answer>
}

export function handBackend(
  name: string,
  operations: Readonly<Record<string, Operation>>,
  call: HandBackend['call'],
): HandBackend {
  const backend: HandBackend = {
    calls: [],
    call,
    adapter: defineAdapter({
      name,
      apiVersion: 1,
      backend: {
        config: nothing,
        create: () => ({
          ...disposal,
          operations,
          call(made, signal) {
            backend.calls.push(made)
            return backend.call(made, signal)
          },
        }),
      },
    }),
  }
  return backend
}

export interface Sent {
  readonly key: string
  readonly text: string
  readonly message: Message
}

export interface HandChannel {
  readonly adapter: Adapter
  /** Of the channel that was started last. */
  readonly host: ChannelHost
  readonly sent: Sent[]
  /** Callers over HTTP who went before their answer. */
  left: number
  /** What becomes of a push. */
  deliver: (message: Message, key: string, signal: AbortSignal) => Promise<Delivery>
}

/** A channel that pushes. Over HTTP it takes `{ draft, waitMs }` at `/NAME` and answers with what `accept` gave. */
export function handChannel(name: string): HandChannel {
  let started: ChannelHost | undefined
  const channel: HandChannel = {
    sent: [],
    left: 0,
    deliver: async () => ({ status: 'sent' }),
    get host() {
      if (started === undefined) throw new Error(`the channel ${name} has not started`)
      return started
    },
    adapter: defineAdapter({
      name,
      apiVersion: 1,
      channel: {
        config: nothing,
        create: () => ({
          ...disposal,
          async start(host) {
            started = host
            host.serve(`/${name}`, async (request, signal) => {
              signal.addEventListener('abort', () => channel.left++)
              const { draft, waitMs } = JSON.parse(new TextDecoder().decode(request.body)) as Posted // the test wrote it
              const accepted = await host.accept(draft, { ...(waitMs !== undefined && { waitMs }), signal })
              return {
                status: 200,
                headers: { 'content-type': 'application/json' },
                body: JSON.stringify(accepted),
                ...(accepted.reply !== undefined && { carries: accepted.id }),
              }
            })
          },
          send(message, key, signal) {
            channel.sent.push({ key, message, text: message.parts?.[0]?.text ?? '' })
            return channel.deliver(message, key, signal)
          },
        }),
      },
    }),
  }
  return channel
}

interface Posted {
  readonly draft: Draft
  readonly waitMs?: number
}

/** A customer says something. */
export function said(text: string, more: Partial<Draft> = {}): Draft {
  return {
    kind: 'message',
    type: 'text',
    sender: { id: 'ann', role: 'customer' },
    parts: [{ kind: 'text', text }],
    ...more,
  }
}
