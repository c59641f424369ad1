// Two commands on one store at the same time: the slower is refused, and leaves what the faster made as it is (SEMANTICS 2, 12).
import { afterEach, expect, test, vi } from 'vitest'
import { migrate } from '../../../../../core/store/migrate/migrate.ts'
import { RedisClient } from '../../../../../core/store/migrate/redis-client.ts'
import { reclaimRedis } from '../../../../../core/store/migrate/redis-end.ts'
import { HOME, accept, dedupe, expectStatus, working } from '../../../../conformance/store/world.ts'
import { HOUR } from './filling.ts'
import { move, openEnd, openStore, places } from './moving.ts'

const at = places()
const taken = { message: expect.stringContaining('taken by another command meanwhile') }

afterEach(() => vi.restoreAllMocks())

type Asked = Parameters<RedisClient['runAll']>

/** Holds the first run of a script that `isIt` says, until it is let go. */
function hold(isIt: (...asked: Asked) => boolean) {
  const run = Reflect.get(RedisClient.prototype, 'runAll')
  const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let isHeld = false
  vi.spyOn(RedisClient.prototype, 'runAll').mockImplementation(async function (
    this: RedisClient,
    ...asked: Asked
  ) {
    if (!isHeld && isIt(...asked)) {
      isHeld = true
      reached.resolve()
      await gate.promise
    }
    return run.apply(this, asked)
  })
  return { reached: reached.promise, letGo: gate.resolve }
}

test('--use-moved-store beside a move that ends meanwhile does not give the store a second place', async () => {
  {
    await using store = await openStore(at.redis)
    await store.accept(accept('a'))
  }
  {
    await using source = await openEnd(at.redis)
    await using target = await openEnd(at.folder('a'), true)
    const seal = target.seal.bind(target)
    const [used, late] = [Promise.withResolvers<void>(), Promise.withResolvers<() => void>()]
    target.seal = async (totals) => {
      await seal(totals)
      const { reached, letGo } = hold((name) => name === 'mark')
      reclaimRedis({ url: at.redis }).then(used.resolve, used.reject)
      await reached
      late.resolve(letGo)
    }
    await migrate({ source, target })
    ;(await late.promise)()
    await expect(used.promise).rejects.toMatchObject(taken)
  }
  await expect(openStore(at.redis)).rejects.toMatchObject({
    message: expect.stringContaining('was moved to'),
  })
  await using store = await openStore(at.folder('a'))
  expect(await store.find({ by: 'ledger' })).toMatchObject([{ accepted: 1 }])
})

test.each<{ step: string; ends: unknown; isIt: (...asked: Asked) => boolean }>([
  {
    step: 'marks the other partitions',
    ends: expect.objectContaining(taken),
    isIt: (name, asked) => name === 'mark' && asked.length > 1,
  },
  { step: 'notes what is in doubt', ends: expect.objectContaining(taken), isIt: (name) => name === 'doubt' },
  {
    step: 'lifts its mark',
    ends: undefined,
    isIt: (name, asked) => name === 'mark' && asked[0]?.words[0] === '',
  },
])(
  'of two instances that start with --use-moved-store, the slower changes nothing under the faster one when it $step',
  async ({ isIt, ends }) => {
    {
      await using store = await openStore(at.redis)
      await store.accept(accept('a'))
    }
    await move(at.redis, at.folder('a'))
    const slow = hold(isIt)
    const second = reclaimRedis({ url: at.redis }).then(
      () => undefined,
      (error: unknown) => error,
    )
    await slow.reached
    await reclaimRedis({ url: at.redis })
    let incarnation: string
    {
      await using store = await openStore(at.redis)
      incarnation = store.incarnation
      const partition = store.partitionOf(HOME)
      const lease = { name: `partition/${partition}`, owner: 'a gateway' }
      const { fence } = expectStatus(await store.lease({ ...lease, ttlMs: HOUR }), 'held')
      await store.accept(working('fresh'))
      slow.letGo()
      await expect(second).resolves.toEqual(ends)
      const { work } = expectStatus(
        await store.take({ partition, fence, max: 10, kinds: ['message'] }),
        'taken',
      )
      expect(work).toMatchObject([{ id: 'fresh', attempts: [] }])
      for (let user = 0; user < 8; user++) {
        const of = { home: `web/u${user}`, conversation: `web:u${user}` }
        expect(await store.accept(accept(`m${user}`, of))).toMatchObject({ status: 'accepted' })
      }
      await store.lease({ ...lease, ttlMs: 0, release: true })
    }
    await using again = await openStore(at.redis)
    expect(again.incarnation).toBe(incarnation)
  },
)

test.each(['before it has copied a row', 'whole'])(
  'of two folders that are moved into one Redis, the one that comes second goes on as it was; the first came %s',
  async (far) => {
    for (const name of ['first', 'second']) {
      await using store = await openStore(at.folder(name))
      await store.accept(accept(name, dedupe(name)))
    }
    {
      await using source = await openEnd(at.folder('first'))
      await using other = await openEnd(at.folder('second'))
      await using target = await openEnd(at.redis)
      await using same = await openEnd(at.redis)
      const [begin, isEmpty] = [target.begin.bind(target), same.isEmpty.bind(same)]
      const [begun, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      target.begin = async (...words) => {
        begun.resolve()
        if (far !== 'whole') await gate.promise
        return begin(...words)
      }
      let first: Promise<unknown> | undefined
      same.isEmpty = async () => {
        const was = await isEmpty()
        if (first !== undefined) return was
        first = migrate({ source, target })
        await (far === 'whole' ? first : begun.promise)
        return was
      }
      await expect(migrate({ source: other, target: same })).rejects.toMatchObject({
        message: expect.stringContaining(far === 'whole' ? 'is not empty' : 'taken by another command'),
      })
      gate.resolve()
      await first
    }
    for (const [place, id] of [
      [at.redis, 'first'],
      [at.folder('second'), 'second'],
    ] as const) {
      await using store = await openStore(place)
      expect(await store.accept(accept('again', dedupe(id)))).toMatchObject({ status: 'duplicate', id })
      expect(await store.find({ by: 'ledger' })).toMatchObject([{ accepted: 1 }])
    }
  },
)
