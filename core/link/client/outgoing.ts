// What an app gives to `send`, as it is kept: a copy in plain JSON, of a shape that can be shown. What else is wrong the gateway says.
import type { Outgoing } from './types.ts'

/** Throws `TypeError` that names the member. */
export function outgoingOf(given: unknown): Outgoing {
  const message = typeof given === 'string' ? { text: given } : plain(given)
  if (typeof message !== 'object' || message === null || Array.isArray(message))
    throw new TypeError(`a message is a text or an object, not ${nameOf(given)}`)
  const { text, parts, conversation }: Readonly<Record<string, unknown>> = { ...message }
  if (text !== undefined && typeof text !== 'string') throw new TypeError('text is no text')
  if (conversation !== undefined && typeof conversation !== 'string')
    throw new TypeError('conversation is no text')
  if (parts !== undefined) checkParts(parts)
  return message
}

function checkParts(parts: unknown): void {
  if (!Array.isArray(parts)) throw new TypeError('parts is no list of parts')
  for (const [index, part] of (parts as readonly unknown[]).entries())
    if (typeof part !== 'object' || part === null || !('text' in part) || typeof part.text !== 'string')
      throw new TypeError(`parts[${index}].text is missing`)
}

/** What is no JSON can neither be kept nor sent. */
function plain(given: unknown): unknown {
  const text: string | undefined = JSON.stringify(given) // also of what its type leaves out: undefined, a function
  return text === undefined ? undefined : JSON.parse(text)
}

function nameOf(given: unknown): string {
  if (given === null) return 'null'
  return Array.isArray(given) ? 'array' : typeof given
}
