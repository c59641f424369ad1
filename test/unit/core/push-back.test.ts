// What does not come by HTTP waits inside for its turn: a link is told to send again, a publish is not acknowledged before.
import { expect, test } from 'vitest'
import { GatewayError } from '../../../core/api.ts'
import type { Draft } from '../../../core/api.ts'
import type { ChannelParts, Mounted } from '../../../core/components/components.ts'
import type { Admission, Entry } from '../../../core/guard/admission.ts'
import { createHost } from '../../../core/components/host.ts'
import type { HostOptions } from '../../../core/components/host.ts'
import { createUplink } from '../../../core/link/uplink.ts'
import type { UplinkOptions } from '../../../core/link/uplink.ts'
import type { Origin } from '../../../core/pipeline.ts'

const draft: Draft = { kind: 'message', type: 'text', sender: { id: 'ann', role: 'customer' }, parts: [] }

function door(enter: () => Promise<void> | undefined) {
  const entries: Entry[] = []
  const admission: Admission = {
    waiting: 0,
    perTurn: 1,
    goOn: () => undefined,
    enter(entry) {
      entries.push(entry)
      return enter()
    },
  }
  return { admission, entries }
}

function host(
  admission: Admission,
  { mounts, ...kind }: Pick<ChannelParts, 'mounts' | 'pushes'> & Partial<ChannelParts>,
) {
  const taken: Draft[] = []
  const origins: boolean[] = []
  const options = {
    admission,
    pipeline: {
      accept: async ({ pushes }: Origin, one: Draft) => {
        origins.push(pushes)
        taken.push(one)
        return { id: 'm1', conversation: 'c', sequence: 1, duplicate: false }
      },
    },
    store: {},
    stopping: new AbortController().signal,
  } as unknown as HostOptions // what `accept` uses
  const parts = {
    settings: { id: 'devices' },
    operations: { list: {} },
    mounts,
    sockets: [],
    places: [],
    endings: [],
    ...kind,
  }
  return { host: createHost(parts as unknown as ChannelParts, options), taken, origins } // the same
}

test('a channel of its own port waits for its turn before anything is accepted, by the priority of its draft', async () => {
  const turn = Promise.withResolvers<void>()
  const { admission, entries } = door(() => turn.promise)
  const { host: channel, taken } = host(admission, { mounts: [], pushes: true })
  const accepted = channel.accept({ ...draft, priority: 'urgent' })
  await new Promise(setImmediate)
  expect(taken).toEqual([])
  turn.resolve()
  expect((await accepted).sequence).toBe(1)
  // It pushes: nobody behind it is told to come again.
  expect(entries).toEqual([{ priority: 'urgent', sheds: false, signal: undefined }])
})

test('a channel that pushes, and behind which who is refused comes again, waits for its turn too, and is no platform that must be taken', async () => {
  const { admission, entries } = door(() => undefined)
  const { host: devices, origins } = host(admission, { mounts: [], pushes: true, refusable: true })
  await devices.accept(draft)
  expect([entries[0]?.sheds, origins]).toEqual([false, [false]])
  const { host: wechat, origins: theirs } = host(admission, { mounts: [], pushes: true, refusable: false })
  await wechat.accept(draft)
  expect(theirs).toEqual([true])
})

test('what came by HTTP has passed the door already', async () => {
  const { admission, entries } = door(() => undefined)
  const mounts = [{ path: '/web' }] as unknown as Mounted[] // one is there
  const { host: channel, taken } = host(admission, { mounts, pushes: false })
  await channel.accept(draft)
  expect([taken.length, entries]).toEqual([1, []])
})

test('a frame for which there is no time is to be sent again: its number is not used up (DESIGN §12)', async () => {
  const { admission } = door(() => {
    throw new GatewayError('OVERLOADED', 'come again later', { retryAfterMs: 2000, notExecuted: true })
  })
  const intake: string[] = []
  const options = {
    admission,
    telemetry: { intake: (result: string) => intake.push(result) },
    now: Date.now,
    isChannel: () => false,
  } as unknown as UplinkOptions // it comes no further than the door
  const outbox = {
    channel: { id: 'web', adapter: 'rest' },
    identity: { role: 'customer', id: 'ann' } as const,
    home: 'link/ann',
    device: 'd',
    boot: 'b',
  }
  const frame = { t: 'send', n: 1, id: 'x', message: { text: 'hello' } } as const
  const taken = await createUplink(options).take(outbox, frame)
  expect(taken).toMatchObject({ status: 'later', error: { code: 'OVERLOADED', retryAfterMs: 2000 } })
  expect(intake).toEqual(['offered', 'refused'])
})
