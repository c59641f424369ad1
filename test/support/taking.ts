// An agent that has only taken a message, and what it says later.
import { handAgent, handChannel } from './parts.ts'
import type { HandAgent } from './parts.ts'
import { post } from './rest.ts'

export const takingYaml = (within = '1h', fallback = true): string => `
channels: { web: { adapter: rest }, chat: { adapter: chat } }
agents:
  helper: { adapter: bot, callbackWithin: ${within} }
  people: { adapter: desk, callbackWithin: 1h }
routes: [{ agent: helper${fallback ? ', fallback: people' : ''} }]
`
export const chat = (): ReturnType<typeof handChannel> => handChannel('chat')
export const taking = (name = 'bot'): HandAgent => handAgent(name, async () => undefined)

/** What an agent was given with its nth message. */
export function given({ asked }: HandAgent, nth = 0): { url: string; token: string } {
  const callback = asked[nth]?.conversation.callback
  if (callback === undefined) throw new Error(`the agent was not asked ${nth + 1} times`)
  return callback
}

export function answer({ url, token }: { url: string; token: string }, text: string) {
  return post(url, { text }, { headers: { authorization: `Bearer ${token}` } })
}
