// Where values go, told from what comes out when one of them is another.
import { expect, test } from 'vitest'
import { follow } from '../../../../core/map/follow.ts'
import type { Place } from '../../../../core/map/places.ts'

type Way = (input: Readonly<Record<string, unknown>>) => Readonly<Record<string, string>> | undefined

async function followed(input: unknown, way: Way, named: readonly string[] = []) {
  const run = async (source: string): Promise<readonly Place[] | undefined> => {
    const out = way(JSON.parse(source) as Readonly<Record<string, unknown>>) // what the test gave
    return out === undefined ? undefined : Object.entries(out).map(([path, text]) => ({ path, text }))
  }
  const source = JSON.stringify(input)
  const first = (await run(source)) ?? []
  const second = (await run(source)) ?? []
  const all = await follow({
    source,
    baseline: [first, second],
    run,
    mentions: (member) => named.includes(member),
  })
  return Object.fromEntries(
    all.map(({ path, became, to }) => [path, [became, ...to.map((place) => place.path)]]),
  )
}

test('a value that arrives, also within a longer text, is kept; one that does not is changed or unused', async () => {
  const result = await followed(
    { id: '007', no: '0042', total: '1.10', state: '01', note: 'x' },
    (input) => ({
      id: String(input['id']),
      ref: `ORD-${String(input['no'])}`,
      sum: String(Number(input['total'])),
      status: input['state'] === '01' ? 'OPEN' : 'CLOSED',
    }),
  )
  expect(result).toEqual({
    id: ['kept', 'id'],
    no: ['kept', 'ref'],
    total: ['changed', 'sum'],
    state: ['changed', 'status'],
    note: ['unused'],
  })
})

test('what differs from run to run by itself, a nonce, is nobody’s place', async () => {
  let nonce = 0
  const result = await followed({ a: '1x', b: '2x' }, (input) => ({
    nonce: String(nonce++),
    a: String(input['a']),
  }))
  expect(result).toEqual({ a: ['kept', 'a'], b: ['unused'] })
})

test('a value whose other value is refused counts as kept where it stands, else as looked at', async () => {
  const result = await followed({ kind: 'NEW', mode: 'auto' }, ({ kind, mode }) =>
    kind === 'NEW' && mode === 'auto' ? { kind: 'NEW' } : undefined,
  )
  expect(result).toEqual({ kind: ['kept', 'kind'], mode: ['checked'] })
})

test('a value an expression names is not called unused, although it came out the same', async () => {
  const way: Way = ({ state }) => ({ status: state === '09' ? 'B' : 'A' })
  expect(await followed({ state: '01' }, way)).toEqual({ state: ['unused'] })
  expect(await followed({ state: '01' }, way, ['state'])).toEqual({ state: ['checked'] })
})

test('1.1 does not count as kept within 1.10, nor 007 within 1007', async () => {
  const result = await followed({ a: '1.1', b: '007' }, ({ a, b }) => ({
    a: `${String(a)}0`,
    b: `1${String(b)}`,
  }))
  expect(result).toEqual({ a: ['changed', 'a'], b: ['changed', 'b'] })
})
