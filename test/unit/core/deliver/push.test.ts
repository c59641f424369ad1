// A push: of a channel that does not push any more, and of one part of an answer.
import type { Part } from 'dragoman'
import { expect, test } from 'vitest'
import type { ChannelInUse, Components } from '../../../../core/calls/calls.ts'
import { noLog } from '../../../../core/map/stand-ins.ts'
import { onePart, sendPush } from '../../../../core/deliver/push.ts'
import type { PushContext } from '../../../../core/deliver/push.ts'
import type { Work } from '../../../../core/store/store.ts'
import { testMessage } from '../../../../core/testing.ts'

/** One try with a channel that has no `send`. */
async function tried(replyContext?: object) {
  const inUse = { id: 'shop', adapter: 'mqtt', channel: {} } as unknown as ChannelInUse // `send` is all that is looked at
  const components = { channel: () => inUse } as unknown as Components
  const message = { ...testMessage(), ...(replyContext !== undefined && { replyContext }) }
  const work = { id: 'k', message, target: 'shop@mqtt', part: 0, attempt: 1, attempts: [], heldMs: 0 }
  const context = { now: 0, store: {}, log: noLog, telemetry: {}, holdMs: 1000 }
  return sendPush(work as unknown as Work, components, context as unknown as PushContext) // it comes no further
}

test('what is owed to an address of its own waits for a channel that does not push now, and is no attempt (SEMANTICS 21)', async () => {
  expect(await tried({ v: 1, topic: 'shop/7/display', qos: 1 })).toEqual({
    outcome: 'retry',
    target: 'channel shop',
    delayMs: 1000,
    idle: true,
  })
})

test('what has no address is there for whoever pulls it from such a channel', async () => {
  expect(await tried()).toEqual({ outcome: 'answered', target: 'channel shop' })
})

test.each<[string, readonly Part['kind'][], number]>([
  ['the last text', ['text', 'image', 'text', 'image'], 2],
  ['the last part where none is a text', ['image', 'video'], 1],
])('what is said once of a whole answer belongs to %s', (_what, kinds, marked) => {
  const message = { ...testMessage(), parts: kinds.map((kind) => ({ kind, text: 'x' })) }
  const asides = kinds.map((_, part) => onePart(message, part).aside === true)
  expect(asides).toEqual(kinds.map((_, part) => part !== marked))
})
