// The gateway: builds it, starts it, changes it while it runs, drains it. It owns the generations.
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Json, Message } from './api.ts'
import { GatewayError } from './api.ts'
import { brokenRoutes } from './operators/broken-routes.ts'
import { loadCallbackSecret } from './return/callback-secret.ts'
import { createCallbacks } from './return/callbacks.ts'
import type { Callbacks } from './return/callbacks.ts'
import type { Offer } from './deliver/settling.ts'
import type { Running, Surroundings } from './components/components.ts'
import { tellEars } from './components/ears.ts'
import { createEnding } from './ending.ts'
import type { Gateway, GatewayOptions } from './gateway-options.ts'
import { buildGeneration, refuseSharedPaths } from './generation.ts'
import type { Generation, ReloadCause } from './generation.ts'
import { createCluster } from './operators/cluster.ts'
import { createDeadLetters, listDead, showDead } from './operators/dead-letters.ts'
import { hintsOf } from './components/hint.ts'
import { createHost } from './components/host.ts'
import { deadPages } from './http/admin-dead.ts'
import type { Unready } from './http/admin.ts'
import { generationPages } from './http/admin-generations.ts'
import { pluginFigures, pluginPages } from './http/admin-plugins.ts'
import { figuresOfAll, FIGURES } from './http/among-peers.ts'
import { createEdge, originOf } from './http/edge.ts'
import type { Edge } from './http/edge.ts'
import { createMetrics } from './http/metrics.ts'
import { asyncApiMount } from './link/asyncapi.ts'
import { chatPageMount } from './link/demo/page.ts'
import { createLinks, customerHome } from './link/links.ts'
import { createUplink } from './link/uplink.ts'
import { OthersMistake } from './log/log-fields.ts'
import { masked, maskedError } from './log/masked.ts'
import { channelMounts } from './components/mounts.ts'
import { ownMounts, refuseOwnPaths, startingMount } from './own-pages.ts'
import { ownCallbacks } from './return/own-callbacks.ts'
import { Pipeline } from './pipeline.ts'
import { createProtection } from './guard/protection.ts'
import { startRetention } from './retention.ts'
import { createRetiring } from './retiring.ts'
import { createScope } from './components/scope.ts'
import { createSelf } from './operators/self.ts'
import { ledgerOf, statusOf } from './operators/status.ts'
import type { LastReload } from './operators/status.ts'
import { LANE_LIMIT_UNREFUSABLE } from './store/figures.ts'
import { traceOf } from './operators/trace.ts'
import { createWrites } from './calls/writes.ts'

export type * from './gateway-options.ts'

const MAX_IN_FLIGHT = 512

/** Starts everything; what was left behind by an earlier life is taken up at once. Throws what prevented it. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { store, log, identity, version, peers } = options
  const self = { name: options.name ?? hostname(), version, worker: peers?.worker }
  const instance = randomUUID()
  const now = (): number => store.now() // not this machine's: what one instance takes in, another may deliver
  const metrics = createMetrics(log.child('metrics'), self)
  const { telemetry } = metrics
  let settings = options.settings
  let fingerprint = ''
  let generation: Generation | undefined
  let origin = ''
  let port = 0
  const stopping = new AbortController()
  let lastReload: LastReload | undefined
  let edge: Edge

  const current = (): Generation => {
    if (generation === undefined) throw new GatewayError('INTERNAL', 'the gateway has not started yet')
    return generation
  }
  const pin = (): ReturnType<Generation['pin']> => current().pin()
  const isChannel = (name: string): boolean => generation?.channels.has(name) === true
  const chatPage = chatPageMount()
  const secret = await loadCallbackSecret(store, log.child('callbacks'))
  const callbacks: Callbacks = createCallbacks(secret, {
    store,
    now,
    origin: () => origin,
    components: current,
    resolve: (id, ended) => pipeline.waiters.resolve(id, ended),
    poke: (home) => pipeline.lanes.poke(home),
  })
  const ownAddresses = ownCallbacks(
    () => origin,
    (request) => callbacks.handle(request),
  )
  const writes = createWrites({ store, secret, origin: () => origin })
  const pipeline = new Pipeline({
    store,
    log: log.child('pipeline'),
    telemetry,
    now,
    instance,
    pin,
    isChannel,
    callback: (message: Message, offer: Offer) => callbacks.offer(message, offer),
    statusUrl: (id) => writes.statusUrl(id),
    dedupeMs: settings.store.dedupeMs,
    // Asked for at each use: a reload may have changed them.
    get laneLimit() {
      return { refusable: settings.lanes.limit, platform: LANE_LIMIT_UNREFUSABLE }
    },
    get holdMs() {
      return settings.lanes.holdMs
    },
    get attempts() {
      return settings.lanes.attempts
    },
    maxInFlight: MAX_IN_FLIGHT,
    limited: (calling) => protection.limited(calling),
  })
  const deadLetters = {
    ...createDeadLetters({
      store,
      log: log.child('dead'),
      now,
      dedupeMs: settings.store.dedupeMs,
      laneLimit: { platform: LANE_LIMIT_UNREFUSABLE },
      poke: (home) => pipeline.lanes.poke(home),
      laneOf: (message, home) => pipeline.laneOf(message, home),
      onEnded: (how) => metrics.deadLettersEnded.add(1, how),
    }),
    list: (page: Parameters<typeof listDead>[1]) => listDead(store, page),
    show: (id: string) => showDead(store, id),
  }
  const protection = await createProtection({
    store,
    log,
    metrics,
    instance,
    breakersOf: (owner) => generation?.breakersOf(owner),
    overload: settings.overload,
    cacheFile: options.cacheFile,
    counter: options.counter,
    answers: options.answers,
  })
  const links = createLinks({
    store,
    log: log.child('link'),
    instance,
    uplink: createUplink({
      pipeline,
      admission: protection.admission,
      limited: (calling) => protection.limited(calling),
      store,
      log: log.child('link'),
      telemetry,
      dedupeMs: settings.store.dedupeMs,
      now,
      isChannel,
    }),
    onJump: (by) => metrics.linkJumps.add(by),
  })
  const around: Surroundings = {
    log: log.child('gateway'),
    get fallback() {
      return protection.fallback
    },
    savedBreaker: (owner, operation) => protection.savedBreaker(owner, operation),
    onBreaker: (change) => protection.onBreaker(change),
    lead: protection.lead,
    isPresent: async ({ sender }) =>
      sender.role === 'customer' && (await links.presence.of(customerHome(sender.id))),
    onCalled: (called) => telemetry.called(called),
    onRetry: metrics.retried,
    goOn: (priority) => protection.admission.goOn(priority),
    limit: metrics.limit,
    host: (parts) =>
      createHost(parts, {
        pipeline,
        admission: protection.admission,
        store,
        links,
        open: options.open,
        stopping: stopping.signal,
        broadcast: options.broadcast,
        identify: (...given) => identity.forCredential(...given),
        remount: () => {
          if (generation === undefined) return
          refuseSharedPaths(generation.channels)
          mount(generation)
        },
      }),
    scope: (role, component) =>
      createScope(role, component, { log, metrics, store, instance, callbacks: ownAddresses }),
  }

  function mount(of: Generation): void {
    const { mounts, sockets } = channelMounts(of.channels.values(), pipeline.returnRight)
    const pages = ownMounts({
      asyncApi: asyncApiMount(
        of.channels.values(),
        Math.max(options.settings.http.bodyLimitBytes, of.largestBytes),
      ),
      chatPage,
      host: options.settings.http.host, // the listener keeps the one it began with
      callbacks,
      writes: (request) => writes.handle(request),
      admin: {
        messageBytes: Math.max(
          options.settings.http.bodyLimitBytes,
          ...[...of.channels.values()].map(({ bodyLimitBytes = 0 }) => bodyLimitBytes),
        ),
        unready: async () => unready(),
        metrics: async () => ({ contentType: metrics.contentType, text: await scraped() }),
        cluster: () => cluster.rows(),
        peers: peers && { them: peers, figures: () => metrics.figures() },
        status: () =>
          statusOf({
            generation: current(),
            store,
            ...self,
            instance,
            lastReload,
            inFlight: pipeline.lanes.inFlight,
          }),
        ledger: () => ledgerOf(store),
        trace: async (id) => (await traceOf(store, id)) as Json | undefined, // a Trace is plain data
        reload: async () => ({ ...(await reload()) }),
        pages: [
          ...protection.pages(current),
          (app) => deadPages(app, deadLetters),
          (app) => pluginPages(app, options.plugins, reload),
          (app) => generationPages(app, { history: options.history, reload }),
        ],
      },
    })
    refuseOwnPaths(pages, [...mounts, ...sockets])
    edge.mount([...mounts, ...pages], sockets)
  }

  async function scraped(): Promise<string> {
    if (peers === undefined) return metrics.text()
    const [own, others] = await Promise.all([metrics.figures(), peers.ask({ method: 'GET', path: FIGURES })])
    return figuresOfAll(own, others)
  }

  function unready(): readonly Unready[] {
    const health = store.health()
    return [
      ...(stopping.signal.aborted ? [{ part: 'gateway', reason: 'it is stopping' }] : []),
      ...(health.writable ? [] : [{ part: 'store', reason: `it cannot be written: ${health.reason}` }]),
      ...(generation === undefined
        ? [{ part: 'gateway', reason: 'no generation is running' }]
        : brokenRoutes(settings.routes, generation, (adapter) => options.plugins?.whyDown(adapter))),
    ]
  }

  const { retirees, retire } = createRetiring({
    log: log.child('gateway'),
    current,
    onRetired: options.onRetired,
  })
  options.broadcast?.hear((name, said) => {
    const running = generation === undefined ? [] : [generation]
    tellEars([...retirees, ...running], { name, said, log: log.child('gateway') })
  })

  /** From here on everything goes to the next generation. Throws, with nothing changed, what keeps it from being served. */
  function enter(next: Generation): void {
    const before = generation
    refuseStopping()
    if (before !== undefined) mount(next) // the start does it itself
    generation = next
    metrics.generation.set(next.number)
    metrics.lastReloadSuccess.set(Date.now() / 1000)
    if (before !== undefined) retire(before)
  }

  function refuseStopping(): void {
    if (stopping.signal.aborted)
      throw new GatewayError('OVERLOADED', 'the gateway is stopping: it loads nothing any more')
  }

  let reloading: Promise<unknown> = Promise.resolve()
  function reload(cause: ReloadCause = {}): Promise<{ readonly generation: number }> {
    const next = reloading.then(async () => {
      const at = new Date().toISOString()
      try {
        refuseStopping()
        if ((await cause.isDue?.()) === false) return { generation: current().number }
        const isRollback = cause.rollbackTo !== undefined
        const built = await options.reload(async (fresh) => {
          await protection.prepare(fresh.settings)
          const made = await buildGeneration({ ...fresh, previous: generation, isRollback, around, enter })
          settings = fresh.settings
          fingerprint = fresh.fingerprint ?? ''
          return made
        }, cause)
        protection.adopt(settings)
        const { rollbackTo } = cause
        const outcome = {
          generation: built.number,
          ...(rollbackTo !== undefined && { rolledBackTo: rollbackTo }),
        }
        lastReload = { at, ...outcome }
        protection.onReload(outcome)
        log.child('gateway').info('a new generation runs', outcome)
        return { generation: built.number }
      } catch (error) {
        if (cause.isAgain === true) throw error
        const refused = masked(error instanceof Error ? error.message : String(error))
        lastReload = { at, error: refused }
        protection.onReload({ refused })
        log.child('gateway').error('the change was not taken over; the running generation goes on', {
          error: new OthersMistake(error),
        })
        throw error instanceof GatewayError ? maskedError(error) : error
      }
    })
    reloading = next.catch(() => undefined).then(() => void cluster.tell())
    return next
  }

  edge = createEdge({
    http: settings.http,
    identity,
    admission: protection.admission,
    log: log.child('http'),
    onRefused: metrics.refused,
  })
  const cluster = createCluster({
    store,
    log: log.child('cluster'),
    id: instance,
    self: createSelf({
      ...self,
      edge,
      links,
      lanes: pipeline.lanes,
      store,
      isLeaving: () => stopping.signal.aborted,
      port: () => port,
      inForce: () => ({ generation: generation?.number ?? 0, config: fingerprint, lastReload }),
      plugins: options.plugins,
    }),
  })
  const retention = startRetention({
    store,
    log: log.child('retention'),
    ...settings.store.retention,
    isOwn: (partition) => pipeline.lanes.holds(partition),
  })
  edge.mount([startingMount])
  const early = peers !== undefined ? undefined : await edge.start()
  origin = early?.origin ?? originOf(settings.http)
  let listening = early
  try {
    await protection.prepare(settings)
    protection.adopt(settings)
    const numberBefore = options.history?.last
    await options.reload((first) => {
      fingerprint = first.fingerprint ?? ''
      return buildGeneration({ ...first, previous: undefined, numberBefore, around, enter })
    }, {})
    await pipeline.lanes.start()
    // Last: a call that must be claimed by the owner of its lane would be refused before.
    mount(current())
    listening ??= await edge.start()
    port = listening.port
    void cluster.tell()
  } catch (error) {
    await edge.drain(0)
    throw error
  }
  metrics.onScrape(pluginFigures(metrics.pluginState, options.plugins))
  metrics.onScrape(async () => {
    metrics.connections.set(edge.connections - edge.webSockets, 'http')
    metrics.connections.set(edge.webSockets, 'websocket')
    for (const row of await store.find({ by: 'ledger' })) {
      if (row.row !== 'ledger') continue
      metrics.queueDepth.set(row.waiting)
      metrics.deadLetters.set(row.deadLetters)
    }
  })

  const running = (): Iterable<Running> => current().running()
  const ending = createEnding({ edge, links, pipeline, stopping, running, retention, protection, cluster })
  return {
    port: listening.port,
    origin,
    hints: () =>
      hintsOf(current().channels.values(), { origin, isOpen: options.open, log: log.child('gateway') }),
    reload,
    reloadTls: () => edge.reloadTls(),
    ...ending,
  }
}
