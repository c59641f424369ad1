// What instances say about themselves, and what any of them shows of all.
import { expect, test } from 'vitest'
import type { Json } from '../../../../core/api.ts'
import { createCluster } from '../../../../core/operators/cluster.ts'
import type { Cluster, InstanceState } from '../../../../core/operators/cluster.ts'
import type { Store, ValueOp, ValueResult } from '../../../../core/store/store.ts'
import { noLog } from '../../../../core/map/stand-ins.ts'

/** Values with a clock of their own, as a store keeps them. */
class Values implements Pick<Store, 'value' | 'partitions'> {
  readonly partitions: number
  now = 0
  calls = 0
  isDown = false
  readonly #kept = new Map<string, { value: Json; version: number; until: number }>()

  constructor(partitions = 256) {
    this.partitions = partitions
  }

  async value({ key, expect: wanted, put, ttlMs = Infinity, ...op }: ValueOp): Promise<ValueResult> {
    this.calls += 1
    if (this.isDown) throw new Error('the store is away')
    const found = this.#kept.get(key)
    const known = found !== undefined && found.until > this.now ? found : undefined
    const standing = known && { value: known.value, version: known.version }
    if (wanted !== undefined && wanted !== (known?.version ?? 'absent'))
      return { status: 'conflict', ...standing }
    if (op.delete === true) this.#kept.delete(key)
    else if (put !== undefined) {
      const version = (known?.version ?? 0) + 1
      this.#kept.set(key, { value: structuredClone(put), version, until: this.now + ttlMs })
      return { status: 'ok', value: put, version }
    }
    return { status: 'ok', ...standing }
  }
}

function instance(store: Values, id: string, said: () => Partial<InstanceState> = () => ({})): Cluster {
  const self = (): InstanceState => ({
    name: id,
    worker: null,
    port: 8080,
    pid: 1,
    version: '1.0.0',
    startedAt: '2030-01-01T00:00:00.000Z',
    state: 'running',
    generation: 1,
    config: 'abc',
    connections: { http: 1, websocket: 2 },
    links: 2,
    partitions: 128,
    inFlight: 0,
    lagMs: 3,
    lastReload: null,
    problems: [],
    ...said(),
  })
  return createCluster({ store, log: noLog, id, self, everyMs: 2 ** 30 })
}

test('each instance shows all, by name, two before ten', async () => {
  const store = new Values()
  const all = ['desk/10', 'desk/2', 'desk/1'].map((id) => instance(store, id))
  await Promise.all(all.map((one) => one.tell()))
  for (const one of all)
    expect((await one.rows()).map(({ name, state }) => [name, state])).toEqual([
      ['desk/1', 'running'],
      ['desk/2', 'running'],
      ['desk/10', 'running'],
    ])
})

test('one that says nothing for 10 s is shown as lost, and after 90 s not at all', async () => {
  const store = new Values()
  const [one, two] = [instance(store, 'one'), instance(store, 'two')]
  await Promise.all([one.tell(), two.tell()])
  const seen = async (): Promise<readonly string[]> =>
    (await one.rows()).map(({ name, state }) => `${name} ${state}`)
  store.now = 9999
  expect(await seen()).toEqual(['one running', 'two running'])
  store.now = 10_000
  expect(await seen()).toEqual(['one running', 'two lost'])
  store.now = 90_000
  expect(await seen()).toEqual(['one running'])
  expect((await store.value({ key: 'core/cluster' })).value).toEqual(['one'])
})

test('who is forgotten does not stay in the list because nobody looks at it', async () => {
  const store = new Values()
  const [one, two] = [instance(store, 'one'), instance(store, 'two')]
  await Promise.all([one.tell(), two.tell()])
  store.now = 90_000
  for (let times = 0; times < 40; times++) await one.tell()
  expect((await store.value({ key: 'core/cluster' })).value).toEqual(['one'])
})

test('one that leaves is not shown any more, and one that was forgotten while it stood still is there again', async () => {
  const store = new Values()
  const [one, two, three] = [instance(store, 'one'), instance(store, 'two'), instance(store, 'three')]
  await Promise.all([one.tell(), two.tell(), three.tell()])
  await two.leave()
  await two.tell()
  expect((await one.rows()).map(({ name }) => name)).toEqual(['one', 'three'])
  store.now = 90_000
  expect((await one.rows()).map(({ name }) => name)).toEqual(['one'])
  await three.tell()
  expect((await one.rows()).map(({ name }) => name)).toEqual(['one', 'three'])
})

test('what is told is told to the others, why a change was not taken over among it, and cut where it is long', async () => {
  const store = new Values()
  let said: Partial<InstanceState> = {}
  const [one, two] = [instance(store, 'one'), instance(store, 'two', () => said)]
  await two.tell()
  said = {
    generation: 7,
    state: 'leaving',
    lastReload: { at: '2030-01-02T00:00:00.000Z', error: 'x'.repeat(100_000) },
    problems: Array.from({ length: 1000 }, () => 'y'.repeat(1000)),
  }
  await two.tell()
  const row = (await one.rows()).find(({ name }) => name === 'two')
  expect(row).toMatchObject({ generation: 7, state: 'leaving', lastReload: { error: 'x'.repeat(300) } })
  expect(row?.problems).toEqual(Array.from({ length: 10 }, () => 'y'.repeat(300)))
})

test('the embedded store has one instance, of which nothing is written', async () => {
  const store = new Values(1)
  const one = instance(store, 'one')
  await one.tell()
  expect((await one.rows()).map(({ name }) => name)).toEqual(['one'])
  await one.leave()
  expect(store.calls).toBe(0)
})

test('a store that is away is nothing an instance ends of', async () => {
  const store = new Values()
  const one = instance(store, 'one')
  store.isDown = true
  await one.tell()
  await expect(one.rows()).rejects.toThrow('the store is away')
  await one.leave()
})
