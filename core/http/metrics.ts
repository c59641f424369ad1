// The figures the core keeps so that no adapter can forget them, and those adapters add, as Prometheus reads them.
import { collectDefaultMetrics, Histogram, Registry } from 'prom-client'
import type { Log } from '../api.ts'
import type { Served } from '../guard/fallback.ts'
import type { LimitCount, LimitKind } from '../guard/limit-count.ts'
import type { Telemetry } from '../telemetry.ts'
import type { Figures } from './among-peers.ts'
import { componentMetrics } from './component-metrics.ts'
import type { RefusalReason } from './refusal.ts'
import { Family, StateFamily } from './series.ts'
import type { Cell } from './series.ts'

export interface GatewayMetrics {
  /** What the pipeline reports: the intake ledger, messages, calls, pushes in doubt. */
  readonly telemetry: Telemetry
  /** `dragoman_refused_total{reason}`: for the edge. */
  readonly refused: (reason: RefusalReason) => void
  /** `dragoman_breaker_state{backend,operation,state}`. */
  readonly breakerState: StateFamily<'backend' | 'operation'>
  /** `dragoman_plugin_state{plugin,state}`. */
  readonly pluginState: StateFamily<'plugin'>
  readonly staleAnswers: Family<'backend' | 'operation'>
  /** Where an answer of an operation with `cache` or `static` came from: `dragoman_cache_answers_total`, and the count of stale ones. */
  readonly served: (served: { backend: string; operation: string; from: Served }) => void
  /** `dragoman_retries_total`: made, or refused by the backend's budget. */
  readonly retried: (retry: { backend: string; operation: string; result: 'made' | 'refused' }) => void
  /** `dragoman_limits_total{limit,name,result}` of one limiter: offered = accepted + refused + failed; and what a dry run let pass. */
  readonly limit: (kind: LimitKind, name: string) => LimitCount
  readonly cacheEntries: Family<never>
  readonly cacheBytes: Family<never>
  /** Work stored and not settled. */
  readonly queueDepth: Family<never>
  readonly deadLetters: Family<never>
  /** By an operator: `dragoman_dead_letters_ended_total`. */
  readonly deadLettersEnded: Family<'how'>
  readonly connections: Family<'link'>
  /** SEMANTICS 13. */
  readonly linkJumps: Family<never>
  readonly generation: Family<never>
  /** Seconds since the epoch. */
  readonly lastReloadSuccess: Family<never>
  /** The counters that `dragoman top` shows, since the start. */
  readonly counted: Readonly<
    Record<'intake' | 'refused' | 'calls' | 'answers' | 'retries' | 'limits' | 'writes', Family<string>>
  >
  /** Called before each scrape: for gauges that are read, not kept. Its failure leaves them as they were, and is logged. */
  onScrape(read: () => void | Promise<void>): void
  /** An adapter's own figures, under `dragoman_plugin_`. */
  readonly forComponent: ReturnType<typeof componentMetrics>
  /** Everything in the text format 0.0.4, the process's own figures (`process_*`, `nodejs_*`) at the end. */
  text(): Promise<string>
  /** The same, to be put together with those of other processes. */
  figures(): Promise<Figures>
  readonly contentType: string
}

/** Whose figures they are: `dragoman_instance_info`. Of one of several workers, each series has its number as a label. */
export interface Instance {
  readonly name: string
  readonly version: string
  readonly worker?: number | undefined
}

export const breakerStates = ['active', 'open', 'half-open', 'off'] as const
export const pluginStates = ['starting', 'running', 'restarting', 'failed', 'quarantined'] as const

/** From a request passed through in a millisecond to a customer who waits a minute. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

/** Makes one gateway's figures, in a registry of its own. */
export function createMetrics(log: Log, instance?: Instance): GatewayMetrics {
  const registry = new Registry()
  const worker = instance?.worker
  if (worker !== undefined)
    for (const each of [registry, processFigures()]) each.setDefaultLabels({ worker: String(worker) })
  const counter = <Label extends string>(name: string, help: string, labels: readonly Label[]) =>
    new Family('counter', { name: `dragoman_${name}`, help, labels, registry })
  const gauge = <Label extends string>(name: string, help: string, labels: readonly Label[]) =>
    new Family('gauge', { name: `dragoman_${name}`, help, labels, registry })

  if (instance !== undefined)
    gauge('instance_info', 'Which instance this is', ['name', 'version']).set(
      1,
      instance.name,
      instance.version,
    )
  const intake = counter('intake_total', 'What was offered, and what became of it', ['result'])
  const messages = counter('messages_total', 'Messages settled', ['channel', 'kind', 'direction', 'outcome'])
  const calls = counter('calls_total', 'Calls of backends and agents', ['backend', 'operation', 'result'])
  const duplicates = counter('duplicates_total', 'Messages that had been taken before', [])
  const inDoubt = counter('in_doubt_total', 'Pushes whose result is not known', [])
  const writes = counter(
    'queued_writes_total',
    'Writes queued while their system is down, and queues halted',
    ['channel', 'how'],
  )
  const refused = counter('refused_total', 'Requests and connections refused at the edge', ['reason'])
  const staleAnswers = counter('stale_answers_total', 'Answers that were the last good ones', [
    'backend',
    'operation',
  ])
  const cacheAnswers = counter('cache_answers_total', 'Answers of operations that have a cache', [
    'backend',
    'operation',
    'from',
  ])
  const retries = counter('retries_total', 'Retries made, and those the budget refused', [
    'backend',
    'operation',
    'result',
  ])
  const limits = counter('limits_total', 'What limiters were offered, and what became of it', [
    'limit',
    'name',
    'result',
  ])
  const dryRuns = counter('limits_dry_run_total', 'What limiters that only watch would have refused', [
    'limit',
    'name',
  ])
  const duration = new Histogram({
    name: 'dragoman_message_duration_seconds',
    help: 'From receiving a message to settling it',
    buckets: SECONDS,
    registers: [registry],
  })
  const offered = { offered: 0, accepted: 0, duplicate: 0, refused: 0, failed: 0 }
  const ledger = new Map(Object.keys(offered).map((result) => [result, intake.cell(result)]))
  const duplicate = duplicates.cell()
  const doubt = inDoubt.cell()
  const readers: (() => void | Promise<void>)[] = []
  const forComponent = componentMetrics(registry, log)

  const telemetry: Telemetry = {
    intake: (result) => {
      const cell = ledger.get(result)
      if (cell !== undefined) cell.value += 1
      if (result === 'duplicate') duplicate.value += 1
    },
    settled: ({ channel, kind, direction, outcome, durationMs }) => {
      messages.add(1, channel, kind, direction, outcome)
      duration.observe(durationMs / 1000)
    },
    called: ({ name, operation, result }) => calls.add(1, name, operation, result),
    inDoubt: () => {
      doubt.value += 1
    },
    write: (how, channel) => writes.add(1, channel, how),
  }

  async function read(): Promise<void> {
    const outcomes = await Promise.allSettled(readers.map(async (reader) => reader()))
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') log.warn('a figure could not be read', { error: outcome.reason })
  }

  async function text(): Promise<string> {
    await read()
    const own = await registry.metrics()
    return `${own}\n${await processFigures().metrics()}`
  }

  return {
    telemetry,
    refused: (reason) => refused.add(1, reason),
    breakerState: new StateFamily(breakerStates, {
      name: 'dragoman_breaker_state',
      help: '1 for the state the breaker is in',
      labels: ['backend', 'operation'],
      registry,
    }),
    pluginState: new StateFamily(pluginStates, {
      name: 'dragoman_plugin_state',
      help: '1 for the state the plugin is in',
      labels: ['plugin'],
      registry,
    }),
    staleAnswers,
    retried: ({ backend, operation, result }) => retries.add(1, backend, operation, result),
    served: ({ backend, operation, from }) => {
      cacheAnswers.add(1, backend, operation, from)
      if (from !== 'fresh' && from !== 'call') staleAnswers.add(1, backend, operation)
    },
    limit(kind, name) {
      const cell = (result: string): Cell => limits.cell(kind, name, result)
      const [offers, accepts, refuses, fails] = [
        cell('offered'),
        cell('accepted'),
        cell('refused'),
        cell('failed'),
      ]
      const dry = dryRuns.cell(kind, name)
      return {
        offered: () => void (offers.value += 1),
        accepted: () => void (accepts.value += 1),
        refused: () => void (refuses.value += 1),
        failed: () => void (fails.value += 1),
        wouldRefuse: () => void (dry.value += 1),
      }
    },
    cacheEntries: gauge('cache_entries', 'Answers in the fallback cache', []),
    cacheBytes: gauge('cache_bytes', 'Size of the answers in the fallback cache', []),
    queueDepth: gauge('queue_depth', 'Work stored and not settled', []),
    deadLetters: gauge('dead_letters', 'Messages given up, waiting for an operator', []),
    deadLettersEnded: counter('dead_letters_ended_total', 'Dead letters an operator replayed or dropped', [
      'how',
    ]),
    connections: gauge('connections', 'Open connections', ['link']),
    linkJumps: counter('link_jumps_total', "Numbers of apps' devices that the store had lost", []),
    generation: gauge('generation', 'The running generation of config and plugins', []),
    lastReloadSuccess: gauge(
      'last_reload_success_timestamp_seconds',
      'When the running generation began',
      [],
    ),
    counted: { intake, refused, calls, answers: cacheAnswers, retries, limits, writes },
    onScrape: (reader) => readers.push(reader),
    forComponent,
    text,
    async figures() {
      await read()
      return [...(await registry.getMetricsAsJSON()), ...(await processFigures().getMetricsAsJSON())]
    },
    contentType: registry.contentType,
  }
}

let processRegistry: Registry | undefined

/** The process has one event loop and one heap, however many gateways a test starts in it: observed once. */
function processFigures(): Registry {
  if (processRegistry === undefined) {
    processRegistry = new Registry()
    collectDefaultMetrics({ register: processRegistry })
  }
  return processRegistry
}
