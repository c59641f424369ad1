// Random interleavings against a small model: the ledger, gapless numbers, one effect per id, one head per lane.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Accept, AcceptResult } from '../../../core/store/store.ts'
import type { StoreFactory } from '../store.ts'
import { Model } from './model-state.ts'
import { World, accept, dedupe, message, reply, settle } from './world.ts'

type Action =
  | {
      readonly do: 'accept'
      readonly place: number
      readonly key: number | undefined
      readonly works: boolean
      readonly begins: boolean
      readonly inbox: boolean
    }
  | { readonly do: 'again'; readonly pick: number }
  | { readonly do: 'take'; readonly max: number }
  | {
      readonly do: 'settle'
      readonly pick: number
      readonly outcome: 'answered' | 'taken' | 'failed' | 'expired' | 'retry'
      readonly replies: number
      /** Begun under an owner who has the conversation no more. */
      readonly isLate: boolean
    }
  | { readonly do: 'resettle'; readonly pick: number }
  | { readonly do: 'passOn' | 'reopen' | 'trim' }

const index = fc.nat({ max: 1000 })
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('accept' as const),
      place: fc.nat({ max: 3 }),
      key: fc.option(fc.nat({ max: 4 }), { nil: undefined }),
      works: fc.boolean(),
      begins: fc.boolean(),
      inbox: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('again' as const), pick: index }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('take' as const), max: fc.integer({ min: 1, max: 4 }) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      pick: index,
      outcome: fc.constantFrom('answered', 'taken', 'failed', 'expired', 'retry'),
      replies: fc.nat({ max: 2 }),
      isLate: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('resettle' as const), pick: index }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('passOn' as const, 'reopen' as const, 'trim' as const) }),
  },
)

/** Two conversations of one home, two of another. */
const homeOf = (place: number) => (place < 2 ? 'web/ann' : 'web/eve')
const nameOf = (place: number) => `conversation-${place}`

export function modelSuite(factory: StoreFactory): void {
  test('a store and its model agree, whatever comes in whatever order', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 60 }), async (actions) => {
        await using world = await World.make(factory)
        const run = new Run(world)
        for (const one of actions) await run.step(one)
        await run.compare()
        await world.reopen()
        await run.compare()
      }),
      { numRuns: 25 },
    )
  })

  test(
    'what is asked for in one breath has the effect of one after the other',
    { timeout: 120_000 },
    async () => {
      const accepts = fc.array(
        fc.record({ place: fc.nat({ max: 3 }), key: fc.nat({ max: 6 }), inbox: fc.boolean() }),
        { minLength: 2, maxLength: 100 },
      )
      await fc.assert(
        fc.asyncProperty(accepts, async (list) => {
          await using world = await World.make(factory)
          const model = new Model()
          const requests = list.map(({ place, key, inbox }, n) =>
            request(`m${n}`, { place, key, works: true, begins: false, inbox }),
          )
          const results = await Promise.all(requests.map((one) => world.store.accept(one)))
          expect(results.map(shortly)).toEqual(requests.map((one) => model.accept(one)))
          const run = new Run(world, model)
          await run.compare()
        }),
        { numRuns: 25 },
      )
    },
  )
}

function request(
  id: string,
  { place, key, works, inbox }: Omit<Extract<Action, { do: 'accept' }>, 'do'>,
): Accept {
  const conversation = nameOf(place)
  return accept(id, {
    home: homeOf(place),
    conversation,
    inbox,
    ...(key !== undefined && dedupe(`${homeOf(place)} ${key}`, `${place}`)),
    ...(works && { work: { lane: conversation, priority: 1, limit: 3 } }),
  })
}

/** As the model says it. */
function shortly(result: AcceptResult): unknown {
  switch (result.status) {
    case 'accepted':
      return [result.sequence, result.offset, result.attempt]
    case 'duplicate':
      return [result.status, result.id, result.state]
    default:
      return result.status
  }
}

class Run {
  readonly #world: World
  readonly #model: Model
  #count = 0

  constructor(world: World, model = new Model()) {
    this.#world = world
    this.#model = model
  }

  async step(one: Action): Promise<void> {
    const world = this.#world
    const model = this.#model
    switch (one.do) {
      case 'accept': {
        const asked: Accept = {
          ...request(`m${this.#count++}`, one),
          ...(one.begins && { fence: world.fence }),
        }
        return assert.deepEqual(shortly(await world.store.accept(asked)), model.accept(asked))
      }
      case 'again': {
        const before = model.pick(model.messages, one.pick)
        if (before === undefined) return undefined
        const { conversation, home, id, offset, sequence } = before
        const again = await world.store.accept(accept(id, { home, conversation }))
        return assert.deepEqual(shortly(again), [sequence, offset, undefined])
      }
      case 'take': {
        const { work } = await world.take(['message'], one.max)
        return model.taken(work, one.max)
      }
      case 'settle':
        return this.#settle(one)
      case 'resettle': {
        const ended = model.pick(model.ended, one.pick)
        if (ended === undefined) return undefined
        const late = settle(ended.id, {
          home: ended.home,
          fence: world.fence,
          replies: [reply(`late-${this.#count++}`, ended.id, { conversation: ended.conversation })],
        })
        return assert.deepEqual(await world.store.settle(late), { status: 'already', outcome: ended.outcome })
      }
      case 'passOn':
        await world.passOn(`owner ${this.#count++}`)
        return model.orphan()
      case 'reopen':
        await world.reopen(`owner ${this.#count++}`)
        return model.orphan()
      case 'trim':
        await world.store.trim({ partition: 0, olderThanMs: 1e12, maxBytes: 1e12, budgetMs: 100 })
        return undefined
    }
  }

  async #settle({ pick, outcome, replies, isLate }: Extract<Action, { do: 'settle' }>): Promise<void> {
    const model = this.#model
    const work = model.pick(model.inFlight, pick)
    if (work === undefined) return
    const { id, home, conversation, attempt } = work
    const said = outcome === 'answered' ? Array.from({ length: replies }, () => `r${this.#count++}`) : []
    const result = await this.#world.store.settle(
      settle(id, {
        fence: this.#world.fence,
        home,
        attempt,
        outcome,
        replies: said.map((one) => ({
          ...message(one, { conversation, direction: 'outbound', causationId: id }),
        })),
        expect: { ownerEpoch: isLate ? 1 : 0 },
        ...(outcome === 'failed' && { dead: { code: 'AGENT_FAILED', message: 'x' } }),
      }),
    )
    assert.deepEqual(result, model.settle(work, { outcome, replies: said, isLate }))
  }

  async compare(): Promise<void> {
    const world = this.#world
    const model = this.#model
    for (const place of [0, 1, 2, 3]) {
      const log = await world.log(nameOf(place), homeOf(place))
      const expected = model.log(nameOf(place)).map((id, n) => [n + 1, id])
      assert.deepEqual(
        log.map((row) => [row.sequence, row.id]),
        expected,
      )
    }
    for (const home of ['web/ann', 'web/eve'])
      assert.deepEqual(
        await world.inbox(home),
        model.inbox(home).map((id, n) => [n + 1, id]),
      )
    const { row: _, deadLetters, inDoubt, ...ledger } = await world.ledger()
    assert.deepEqual(ledger, model.ledger)
    assert.equal(ledger.accepted, ledger.settled + ledger.expired + ledger.dead + ledger.waiting)
    assert.deepEqual([deadLetters, inDoubt], [model.dead.size, 0])
    const dead = await world.dead()
    assert.deepEqual(new Set(dead.map((row) => row.id)), model.dead)
  }
}
