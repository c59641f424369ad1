// Fills a store by the operations a gateway uses, in a mixture that a seed decides: everything a migration has to carry over is in it.
import { LANE_LIMIT, partitionLease } from '../../../../../core/store/figures.ts'
import type { Fence, Settle, Store } from '../../../../../core/store/store.ts'
import { accept, answering, message, pushTo, reply, settle } from '../../../../conformance/store/world.ts'

export const HOUR = 3_600_000
const USERS = 12

export interface Filled {
  /** Work that is begun and has not ended, in the order of its lanes: user and message. */
  readonly open: readonly (readonly [user: number, id: string])[]
  readonly ids: readonly string[]
}

export const homeOf = (user: number): string => `web/u${user}`
export const conversationOf = (user: number): string => `web:u${user}`
/** As the front of the gateway makes them: namespace, principal, sender, external id. */
export const keyOf = (user: number, id: string): string => ['web', '', `u${user}`, id].join('\u001F')

export function dedupeOf(user: number, id: string) {
  return { dedupe: { key: keyOf(user, id), fingerprint: `print of ${id}`, ttlMs: 72 * HOUR } }
}

const KINDS = 16
const CERTAIN = [[3, 9], [0, 8], [1, 10], [2, 11], [0, 12], [4], [5], [6], [7], [13], [14], [15]].flatMap(
  (kinds, user) => kinds.map((kind) => [user % USERS, kind] as const),
)

const failure = { code: 'AGENT_FAILED', message: 'the helper is ill' }

/** Leases of all partitions, so that work can begin anywhere. */
export async function hold(store: Store, owner: string): Promise<(user: number) => Fence> {
  const fences = new Map<number, Fence>()
  for (let user = 0; user < USERS; user++) {
    const partition = store.partitionOf(homeOf(user))
    const result = await store.lease({ name: partitionLease(partition), owner, ttlMs: HOUR })
    if (result.status === 'held') fences.set(partition, result.fence)
  }
  return (user) => {
    const fence = fences.get(store.partitionOf(homeOf(user)))
    if (fence === undefined) throw new Error(`nobody holds the partition of user ${user}`)
    return fence
  }
}

export async function fill(store: Store, random: () => number, steps: number): Promise<Filled> {
  const fenceOf = await hold(store, 'filler')
  const lanes = new Map<number, string[]>()
  const numbers = new Map<number, number>()
  const ids: string[] = []
  /** What came last from each user: causes are looked for in one partition. */
  const last = new Map<number, string>()
  for (let step = 0; step < steps; step++) {
    // Each kind of step once for certain, those that end something on a lane where something waits; then as it comes.
    const [user, kind] = CERTAIN[step] ?? [Math.floor(random() * USERS), Math.floor(random() * KINDS)]
    const fence = fenceOf(user)
    const [home, conversation] = [homeOf(user), conversationOf(user)]
    const id = `m${step}`
    const lane = lanes.get(user) ?? []
    lanes.set(user, lane)
    const of = { home, conversation }
    const arrive = async (over: object): Promise<void> => {
      ids.push(id)
      last.set(user, id)
      const raw = { mediaType: 'application/octet-stream', bytes: new Uint8Array([0, 255, 128, step % 256]) }
      const work = { lane: conversation, priority: step % 4, limit: LANE_LIMIT }
      await store.accept(
        accept(id, {
          ...of,
          ...dedupeOf(user, id),
          raw,
          work,
          fence,
          message: { ...message(id), conversation },
          ...over,
        }),
      )
      lane.push(id)
    }
    /** Ends the head of the lane, if something waits in it, as the lane's owner would. */
    const end = async (make: (head: string) => Partial<Settle> & { readonly outcome: Settle['outcome'] }) => {
      const [head] = lane
      if (head === undefined) return
      await store.take({ partition: store.partitionOf(home), fence, max: 100, kinds: ['message'] })
      const found = (await store.find({ by: 'id', id: head })).find((row) => row.row === 'work')
      if (found?.row !== 'work' || found.state !== 'flight') return
      const made = make(head)
      const result = await store.settle(settle(head, { ...of, fence, attempt: found.attempt, ...made }))
      if (result.status === 'settled' && made.outcome !== 'retry') lane.shift()
    }
    const answer = (head: string, over: Partial<Settle> = {}) => ({
      ...answering(head, { ...of, replies: [{ ...reply(`${head}-reply`, head), conversation }] }),
      ...over,
    })
    switch (kind) {
      case 0:
      case 1:
      case 2:
        await arrive({})
        break
      case 3:
        await arrive({ waitMs: 5000 })
        break
      case 4:
        ids.push(id)
        await store.accept(accept(id, { ...of, message: { ...message(id), conversation } }))
        break
      case 5: {
        const n = (numbers.get(user) ?? 0) + 1
        numbers.set(user, n)
        const device = {
          device: 'phone',
          boot: 'one',
          n,
          ...(n % 3 === 0 && { refuse: { code: 'TOO_LARGE', limit: 1000 } }),
        }
        await store.accept(
          accept(id, { ...of, ...dedupeOf(user, id), device, message: { ...message(id), conversation } }),
        )
        break
      }
      case 6:
        await store.hello({ home, device: 'phone', boot: 'one', first: 1, epoch: '', offset: 0 })
        break
      case 7: {
        const epoch = `${store.incarnation}.1`
        await store.ack({ home, device: 'phone', boot: 'one', epoch, offset: 1 })
        break
      }
      case 8:
        await end((head) => answer(head))
        break
      case 9:
        await end((head) => answer(head, pushTo(head)))
        break
      case 10:
        await end((head) =>
          answer(head, {
            outcome: 'taken',
            reply: undefined as never,
            timer: { id: `${head}-timer`, delayMs: HOUR, target: 'bot' },
            replies: [],
          }),
        )
        break
      case 11:
        await end(() => ({
          outcome: 'failed',
          failure,
          dead: failure,
          tried: { target: 'helper', startedAt: '2026-01-02T03:04:05.678Z', durationMs: 5, failure },
        }))
        break
      case 12:
        await end(() => ({ outcome: random() < 0.5 ? 'expired' : 'retry', delayMs: HOUR }))
        break
      case 13: {
        const call = { ...message(id), kind: 'request' as const, conversation }
        const claimed = await store.claim({
          home,
          key: keyOf(user, id),
          fingerprint: id,
          id,
          ttlMs: HOUR,
          idempotent: false,
          fence,
          message: call,
        })
        if (claimed.status === 'run' && random() < 0.6)
          await store.settle(
            settle(id, {
              home,
              kind: 'claim',
              outcome: 'answered',
              reply: { data: { of: id }, origin: 'backend' },
            }),
          )
        break
      }
      case 14:
        await store.value({ key: `token/${step % 7}`, put: { step }, ...(step % 2 === 0 && { ttlMs: HOUR }) })
        break
      default:
        await store.accept(
          accept(id, {
            ...of,
            message: { ...message(id), conversation, causationId: last.get(user) ?? 'x' },
            patch: { agent: 'desk', ticket: { step }, raiseEpoch: true },
          }),
        )
        ids.push(id)
    }
  }
  return { open: [...lanes].flatMap(([user, all]) => all.map((id) => [user, id] as const)), ids }
}
