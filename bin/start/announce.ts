// What stands on the output when a gateway is ready: one JSON line for programs, then commands to paste for people.
import type { Ready } from '../workers/messages.ts'

export function announce(
  { file, origin, http, mqtt, hints }: Ready,
  more: { readonly workers?: number } = {},
): void {
  console.log(JSON.stringify({ ready: true, http, ...(mqtt !== undefined && { mqtt }), ...more }))
  console.log(`\nDragoman listens on ${origin}, configured by ${file}.`)
  if (hints.length > 0) console.log('Try, in another terminal:\n')
  for (const { channel, command } of hints) console.log(`# ${channel}\n${command}\n`)
}
