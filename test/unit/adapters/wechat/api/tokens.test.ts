// Access tokens: one fetch for everybody, early renewal, failures and clocks that jump, a late refusal of an old token.
import { GatewayError } from 'dragoman'
import { expect, test } from 'vitest'
import { createTokens } from '../../../../../adapters/wechat/api/tokens.ts'
import type { FreshToken, Tokens } from '../../../../../adapters/wechat/api/tokens.ts'
import { world } from './scopes.ts'
import type { World } from './scopes.ts'

/** On a busy machine, too. */
const soon = { timeout: 10_000 }

const TWO_HOURS = 7_200_000

interface Trial {
  readonly tokens: Tokens
  readonly clock: { mono: number }
  fetched: number
}

/** An instance of its own monotonic clock; the platform gives t1, t2 … unless told otherwise. */
function instance(
  in_: World,
  name = 'one',
  fetch: (count: number) => Promise<FreshToken> = async (count) => ({
    token: `t${count}`,
    lifeMs: TWO_HOURS,
  }),
): Trial {
  const clock = { mono: 1000 }
  const trial: Trial = {
    clock,
    fetched: 0,
    tokens: createTokens({
      scope: in_.scope(name),
      key: 'token/wx1',
      what: 'the token',
      fetch: () => fetch(++trial.fetched),
      monotonic: () => clock.mono,
      pause: async (ms) => {
        clock.mono += ms
        await new Promise((resolve) => setImmediate(resolve))
      },
    }),
  }
  return trial
}

function pass(in_: World, trial: Trial, ms: number): void {
  in_.now += ms
  trial.clock.mono += ms
}

test('fetches once for a hundred callers at a time', async () => {
  const trial = instance(world())
  const all = await Promise.all(Array.from({ length: 100 }, () => trial.tokens.get()))
  expect(new Set(all)).toEqual(new Set(['t1']))
  expect(trial.fetched).toBe(1)
})

test('two instances share one token through the store: only one of them asks the platform (SEMANTICS 20)', async () => {
  const shared = world()
  const gate = Promise.withResolvers<void>()
  let asked = 0
  const slow = async (): Promise<FreshToken> => {
    asked += 1
    await gate.promise
    return { token: 'shared', lifeMs: TWO_HOURS }
  }
  const [one, two] = [instance(shared, 'one', slow), instance(shared, 'two', slow)]
  const both = [one.tokens.get(), two.tokens.get()]
  await new Promise((resolve) => setImmediate(resolve))
  gate.resolve()
  expect(await Promise.all(both)).toEqual(['shared', 'shared'])
  expect(asked).toBe(1)
})

test('a restart finds the token in the store', async () => {
  const shared = world()
  await instance(shared).tokens.get()
  shared.now += 60_000
  const next = instance(shared, 'next life')
  expect(await next.tokens.get()).toBe('t1')
  expect(next.fetched).toBe(0)
})

test('renews five minutes before the end, and nobody waits for it', async () => {
  const here = world()
  const held = Promise.withResolvers<FreshToken>()
  const trial = instance(here, 'one', (count) =>
    count === 1 ? Promise.resolve({ token: 't1', lifeMs: TWO_HOURS }) : held.promise,
  )
  await trial.tokens.get()
  pass(here, trial, TWO_HOURS - 299_000)
  expect(await trial.tokens.get()).toBe('t1')
  held.resolve({ token: 't2', lifeMs: TWO_HOURS })
  await expect.poll(() => trial.tokens.get(), soon).toBe('t2')
  expect(trial.fetched).toBe(2)
})

test('a failed early renewal leaves the token as it is, and is tried again only after a pause', async () => {
  const here = world()
  const trial = instance(here, 'one', (count) =>
    count === 1
      ? Promise.resolve({ token: 't1', lifeMs: TWO_HOURS })
      : Promise.reject(new GatewayError('BACKEND_FAILED', 'busy')),
  )
  await trial.tokens.get()
  pass(here, trial, TWO_HOURS - 100_000)
  for (let tries = 0; tries < 20; tries++) {
    expect(await trial.tokens.get()).toBe('t1')
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(trial.fetched).toBe(2)
  pass(here, trial, 200_000)
  await expect(trial.tokens.get()).rejects.toMatchObject({ code: 'BACKEND_FAILED', notExecuted: true })
})

test('a wrong secret is not asked about with every message', async () => {
  const trial = instance(world(), 'one', () =>
    Promise.reject(new GatewayError('BACKEND_FAILED', 'the secret is wrong (40125)')),
  )
  for (let tries = 0; tries < 50; tries++)
    await expect(trial.tokens.get()).rejects.toThrow(/the secret is wrong \(40125\)/u)
  expect(trial.fetched).toBe(1)
})

test('what a failure throws says when the platform is asked again, and so does everything thrown until then', async () => {
  const here = world()
  const trial = instance(here, 'one', () => Promise.reject(new GatewayError('BACKEND_FAILED', 'busy')))
  await expect(trial.tokens.get()).rejects.toMatchObject({ retryAfterMs: 500 })
  pass(here, trial, 200)
  await expect(trial.tokens.get()).rejects.toMatchObject({ notExecuted: true, retryAfterMs: 300 })
  pass(here, trial, 300)
  await expect(trial.tokens.get()).rejects.toMatchObject({ retryAfterMs: 1000 })
  expect(trial.fetched).toBe(2)
})

test('a token that waits for another one is not asked about before that one is', async () => {
  const here = world()
  const asked = { notExecuted: true, retryAfterMs: 20_000 }
  const trial = instance(here, 'one', () => Promise.reject(new GatewayError('BACKEND_FAILED', 'no', asked)))
  await expect(trial.tokens.get()).rejects.toMatchObject({ retryAfterMs: 20_000 })
  pass(here, trial, 19_000)
  await expect(trial.tokens.get()).rejects.toMatchObject({ retryAfterMs: 1000 })
  expect(trial.fetched).toBe(1)
})

test('a late 40001 for an old token renews nothing', async () => {
  const here = world()
  const trial = instance(here)
  expect(await trial.tokens.get()).toBe('t1')
  expect(await trial.tokens.renew('t1')).toBe('t2')
  expect(await trial.tokens.renew('t1')).toBe('t2')
  expect(await trial.tokens.renew('long ago')).toBe('t2')
  expect(trial.fetched).toBe(2)
})

test('fifty refusals of the current token at a time are one renewal', async () => {
  const trial = instance(world())
  const old = await trial.tokens.get()
  const all = await Promise.all(Array.from({ length: 50 }, () => trial.tokens.renew(old)))
  expect(new Set(all)).toEqual(new Set(['t2']))
  expect(trial.fetched).toBe(2)
})

test('a refused token that another instance has renewed already is taken from the store', async () => {
  const shared = world()
  const [one, two] = [instance(shared, 'one'), instance(shared, 'two')]
  await one.tokens.get()
  await two.tokens.get()
  expect(await one.tokens.renew('t1')).toBe('t2')
  expect(await two.tokens.renew('t1')).toBe('t2')
  expect(two.fetched).toBe(0)
})

test('a platform that gives the refused token out again is not asked a second time within five seconds', async () => {
  const here = world()
  const trial = instance(here, 'one', async () => ({ token: 'same', lifeMs: TWO_HOURS }))
  await trial.tokens.get()
  for (let tries = 0; tries < 20; tries++) expect(await trial.tokens.renew('same')).toBe('same')
  expect(trial.fetched).toBe(2)
  pass(here, trial, 6000)
  await trial.tokens.renew('same')
  expect(trial.fetched).toBe(3)
})

test('a wall clock that jumps, ahead or back, neither ends nor prolongs a token in hand (SEMANTICS 25)', async () => {
  const here = world()
  const trial = instance(here)
  await trial.tokens.get()
  here.now += 365 * 24 * 3_600_000
  expect(await trial.tokens.get()).toBe('t1')
  here.now -= 800 * 24 * 3_600_000
  expect(await trial.tokens.get()).toBe('t1')
  trial.clock.mono += TWO_HOURS
  expect(await trial.tokens.get()).toBe('t2')
})

test('a stored token from the future is not believed (SEMANTICS 25)', async () => {
  const shared = world()
  await instance(shared, 'ahead').tokens.get()
  shared.now -= 24 * 3_600_000
  const later = instance(shared, 'later', async () => ({ token: 'fresh', lifeMs: TWO_HOURS }))
  expect(await later.tokens.get()).toBe('fresh')
})

test('without a store each instance acts alone instead of not at all', async () => {
  const here = world()
  here.isDown = true
  const trial = instance(here)
  expect(await trial.tokens.get()).toBe('t1')
  expect(await trial.tokens.renew('t1')).toBe('t2')
})

test('no token stands in the log', async () => {
  const here = world()
  const trial = instance(here, 'one', (count) =>
    count === 1
      ? Promise.resolve({ token: 'very-secret-token', lifeMs: 60_000 })
      : Promise.reject(new GatewayError('BACKEND_FAILED', 'refused')),
  )
  await trial.tokens.get()
  here.isDown = true
  await expect(trial.tokens.renew('very-secret-token')).rejects.toThrow(/refused/u)
  expect(here.logged.length).toBeGreaterThan(0)
  expect(here.logged.join('\n')).not.toContain('very-secret-token')
})
