import { expect, test } from 'vitest'
import { createMetrics } from '../../../../core/http/metrics.ts'
import { recordingLog } from './recording-log.ts'

/** The samples of a scrape: `name{labels}` and value, the process's own left out. */
function samples(text: string): Map<string, number> {
  const rows = text.split('\n').filter((line) => line.startsWith('dragoman_'))
  return new Map(
    rows.map((row) => [row.slice(0, row.lastIndexOf(' ')), Number(row.slice(row.lastIndexOf(' ') + 1))]),
  )
}

function metrics() {
  const { log, lines } = recordingLog()
  return { all: createMetrics(log), lines }
}

/** What takes over in one turn has. */
const nextTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

test('every figure of the core is there from the start, described, with the labels that are promised', async () => {
  const { all } = metrics()
  all.telemetry.settled({
    channel: 'web',
    kind: 'message',
    direction: 'inbound',
    outcome: 'answered',
    durationMs: 30,
  })
  all.telemetry.called({
    target: 'backend',
    name: 'orders',
    operation: 'GetOrder',
    result: 'ok',
    durationMs: 3,
  })
  all.breakerState.set('open', 'orders', 'GetOrder')
  all.pluginState.set('running', 'sample')
  all.staleAnswers.add(2, 'orders', 'GetOrder')
  all.connections.set(3, 'http')
  all.refused('host')
  const told = samples(await all.text())
  expect(Object.fromEntries(told)).toMatchObject({
    'dragoman_messages_total{channel="web",kind="message",direction="inbound",outcome="answered"}': 1,
    'dragoman_message_duration_seconds_bucket{le="0.025"}': 0,
    'dragoman_message_duration_seconds_bucket{le="0.05"}': 1,
    dragoman_message_duration_seconds_count: 1,
    'dragoman_calls_total{backend="orders",operation="GetOrder",result="ok"}': 1,
    'dragoman_breaker_state{backend="orders",operation="GetOrder",state="active"}': 0,
    'dragoman_breaker_state{backend="orders",operation="GetOrder",state="open"}': 1,
    'dragoman_plugin_state{plugin="sample",state="running"}': 1,
    'dragoman_stale_answers_total{backend="orders",operation="GetOrder"}': 2,
    'dragoman_connections{link="http"}': 3,
    'dragoman_refused_total{reason="host"}': 1,
    dragoman_duplicates_total: 0,
    dragoman_queue_depth: 0,
    dragoman_dead_letters: 0,
    dragoman_in_doubt_total: 0,
    dragoman_generation: 0,
    dragoman_last_reload_success_timestamp_seconds: 0,
  })
})

test('the intake ledger adds up, and duplicates are counted beside it (SEMANTICS 36)', async () => {
  const { all } = metrics()
  for (const result of [
    'offered',
    'offered',
    'offered',
    'offered',
    'accepted',
    'duplicate',
    'refused',
    'failed',
  ] as const)
    all.telemetry.intake(result, 'web')
  const told = samples(await all.text())
  const of = (result: string) => told.get(`dragoman_intake_total{result="${result}"}`) ?? Number.NaN
  expect(of('offered')).toBe(of('accepted') + of('duplicate') + of('refused') + of('failed'))
  expect([of('offered'), told.get('dragoman_duplicates_total')]).toEqual([4, 1])
})

test("the process's own figures stand there under their standard names, once, however many gateways run", async () => {
  metrics()
  const text = await metrics().all.text()
  expect(text.match(/^# TYPE process_cpu_seconds_total counter$/gmu)).toHaveLength(1)
  expect(text).toMatch(/^nodejs_eventloop_lag_seconds /mu)
})

test('every line is a comment or a sample, and ends with a line feed', async () => {
  const text = await metrics().all.text()
  for (const line of text.trimEnd().split('\n'))
    expect(line).toMatch(/^(?:# (?:HELP|TYPE) .+|[a-z_][a-z0-9_]*(?:\{.*\})? \S+|)$/u)
})

test('each gateway counts for itself', async () => {
  const [one, two] = [metrics().all, metrics().all]
  one.refused('host')
  expect(samples(await two.text()).has('dragoman_refused_total{reason="host"}')).toBe(false)
})

test('gauges that are read are read at the scrape; one that cannot be is logged, and the rest is told', async () => {
  const { all, lines } = metrics()
  all.onScrape(() => {
    throw new Error('store is away')
  })
  all.onScrape(async () => {
    await Promise.resolve()
    all.queueDepth.set(7)
  })
  expect(samples(await all.text()).get('dragoman_queue_depth')).toBe(7)
  expect(lines).toMatchObject([{ level: 'warn', fields: { error: { message: 'store is away' } } }])
})

test('a series is forgotten when what it is about is gone', async () => {
  const { all } = metrics()
  all.breakerState.set('open', 'orders', 'GetOrder')
  all.breakerState.set('active', 'loyalty', 'Points')
  all.breakerState.remove('orders')
  const text = await all.text()
  expect(text).not.toContain('backend="orders"')
  expect(text).toContain('backend="loyalty"')
})

test('labels from content cannot grow without bound: beyond a limit they share one series', async () => {
  const { all } = metrics()
  for (let count = 0; count < 2500; count += 1)
    all.telemetry.called({
      target: 'backend',
      name: 'any',
      operation: `op-${count}`,
      result: 'ok',
      durationMs: 1,
    })
  const calls = [...samples(await all.text())].filter(([name]) => name.startsWith('dragoman_calls_total'))
  expect(calls).toHaveLength(2001)
  expect(calls.reduce((sum, [, value]) => sum + value, 0)).toBe(2500)
})

test('label values are data: quotes, line feeds and names of object members', async () => {
  const { all } = metrics()
  all.staleAnswers.add(1, 'a"b\nc\\', '__proto__')
  all.staleAnswers.add(1, 'constructor', 'toString')
  const text = await all.text()
  expect(text).toContain(
    String.raw`dragoman_stale_answers_total{backend="a\"b\nc\\",operation="__proto__"} 1`,
  )
  expect(text).toContain('backend="constructor",operation="toString"} 1')
})

test("a component's figures have its name and the prefix, and add up over its instances", async () => {
  const { all, lines } = metrics()
  const [mine, other] = [all.forComponent('wechat-main'), all.forComponent('wechat-shop')]
  mine.count('tokens_total')
  const next = all.forComponent('wechat-main')
  next.count('tokens_total', {}, 2)
  next.adopt()
  await nextTurn()
  other.count('tokens_total')
  mine.gauge('queue', 4, { kind: 'push' })
  expect(Object.fromEntries(samples(await all.text()))).toMatchObject({
    'dragoman_plugin_tokens_total{component="wechat-main"}': 3,
    'dragoman_plugin_tokens_total{component="wechat-shop"}': 1,
    'dragoman_plugin_queue{component="wechat-main",kind="push"}': 4,
  })
  expect(lines).toEqual([])
})

test('the next version of a component begins a figure with other labels or of another kind, as soon as none but versions before use it', async () => {
  const { all, lines } = metrics()
  const [first, neighbour] = [all.forComponent('a'), all.forComponent('b')]
  first.count('calls', { place: 'x' })
  neighbour.count('calls', { place: 'x' })
  const [next, nextNeighbour] = [all.forComponent('a'), all.forComponent('b')]
  next.count('calls', { place: 'x', kind: 'push' })
  next.adopt()
  nextNeighbour.adopt()
  await nextTurn()
  first.count('calls', { place: 'x' }) // it ends soon
  nextNeighbour.gauge('calls', 1, { place: 'y' }) // the figure is the other's now
  const told = samples(await all.text())
  expect([...told].filter(([name]) => name.startsWith('dragoman_plugin_'))).toEqual([
    ['dragoman_plugin_calls{component="a",kind="push",place="x"}', 1],
  ])
  expect(lines.map(({ fields }) => fields['component'])).toEqual(['b'])
})

test('a component that ends takes its gauges along, but not those that the next version shows; what it has counted stays', async () => {
  const { all } = metrics()
  const first = all.forComponent('a')
  first.gauge('depth', 1, { of: 'in' })
  first.gauge('depth', 1, { of: 'out' })
  first.count('calls')
  const next = all.forComponent('a')
  next.gauge('depth', 2, { of: 'in' })
  next.count('calls')
  next.adopt()
  await nextTurn()
  first[Symbol.dispose]()
  first.gauge('depth', 3, { of: 'in' })
  const told = samples(await all.text())
  expect([...told].filter(([name]) => name.startsWith('dragoman_plugin_'))).toEqual([
    ['dragoman_plugin_depth{component="a",of="in"}', 2],
    ['dragoman_plugin_calls{component="a"}', 2],
  ])
})

test('a version that is refused leaves the figures of the one that runs as they are', async () => {
  const { all, lines } = metrics()
  const runs = all.forComponent('erp', 'backend')
  runs.count('calls', { op: 'a' }, 41)
  runs.gauge('depth', 7)
  for (let tries = 0; tries < 2; tries++) {
    const refused = all.forComponent('erp', 'backend')
    refused.count('calls', { op: 'a', system: 'x' })
    refused.gauge('depth', 0)
    refused[Symbol.dispose]()
    refused.adopt()
    await nextTurn()
  }
  runs.count('calls', { op: 'a' })
  const told = samples(await all.text())
  expect([...told].filter(([name]) => name.startsWith('dragoman_plugin_'))).toEqual([
    ['dragoman_plugin_calls{component="erp",op="a"}', 42],
    ['dragoman_plugin_depth{component="erp"}', 7],
  ])
  expect(lines).toEqual([])
})

test('a channel and a backend of one name are two components', async () => {
  const { all, lines } = metrics()
  all.forComponent('a', 'channel').count('calls', { place: 'x' })
  all.forComponent('a', 'backend').count('calls')
  expect(lines).toMatchObject([{ fields: { component: 'a', figure: 'calls' } }])
})

test('what a component cannot keep is left out and said once; it never throws and never breaks the page', async () => {
  const { all, lines } = metrics()
  const mine = all.forComponent('plugin')
  const hostile = [
    () => mine.count('Bad Name'),
    () => mine.count('x{a="b"} 1\n', {}),
    () => mine.count('fell', {}, -1),
    () => mine.count('nan', {}, Number.NaN),
    () => mine.count('labelled', { component: 'other' }),
    () => mine.count('labelled', { __proto__x: 'y' }),
  ]
  for (const call of [...hostile, ...hostile]) call()
  mine.count('fine', { a: '1' })
  mine.count('fine', { b: '1' })
  mine.gauge('fine', 1, { a: '1' })
  mine.count('constructor')
  const told = samples(await all.text())
  expect([...told].filter(([name]) => name.startsWith('dragoman_plugin_'))).toEqual([
    ['dragoman_plugin_fine{component="plugin",a="1"}', 1],
    ['dragoman_plugin_constructor{component="plugin"}', 1],
  ])
  expect(lines.map((line) => line.fields['figure'])).toEqual([
    'Bad Name',
    'x{a="b"} 1\n',
    'fell',
    'nan',
    'labelled',
    'fine',
  ])
})

test.each([
  ['count', '5', 'a counter grows by numbers, not by a string'],
  ['count', 5n, 'a counter grows by numbers, not by a bigint'],
  ['gauge', '5', 'a gauge shows a number, not a string'],
  ['gauge', 5n, 'a gauge shows a number, not a bigint'],
] as const)(
  'a %s of %o, which is no number, is left out, and its author is told',
  async (kind, value, why) => {
    const { all, lines } = metrics()
    const mine = all.forComponent('plugin')
    const given = value as unknown as number // what a plugin without types gives
    if (kind === 'count') mine.count('queue', {}, given)
    else mine.gauge('queue', given)
    expect(await all.text()).not.toContain('dragoman_plugin_queue')
    expect(lines).toMatchObject([{ level: 'warn', fields: { component: 'plugin', figure: 'queue', why } }])
  },
)

test('a name that is no text and labels that are none do no harm', async () => {
  const { all, lines } = metrics()
  const mine = all.forComponent('plugin')
  mine.count(7 as unknown as string)
  mine.count('fine', null as unknown as Record<string, string>)
  expect(await all.text()).toContain('dragoman_plugin_fine{component="plugin"} 1')
  expect(lines).toMatchObject([{ fields: { figure: '7' } }])
})

test('a component that floods is bounded in names and in series', async () => {
  const { all, lines } = metrics()
  const mine = all.forComponent('flood')
  for (let count = 0; count < 300; count += 1) {
    mine.count(`name_${count}`)
    mine.gauge('series', count, { n: String(count) })
  }
  const told = samples(await all.text())
  const names = [...told.keys()].filter((name) => name.startsWith('dragoman_plugin_name_'))
  const series = [...told.keys()].filter((name) => name.startsWith('dragoman_plugin_series'))
  expect([names.length, series.length]).toEqual([49, 201])
  expect(lines.length).toBeLessThanOrEqual(50)
})
