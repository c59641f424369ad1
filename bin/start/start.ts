// `dragoman start`: the process around the gateway: signals, the ready line, reload.
import { mkdir } from 'node:fs/promises'
import { flushCompileCache } from 'node:module'
import { portOf } from '../../adapters/mqtt/ports.ts'
import { ConfigError } from '../../config/load.ts'
import type { Overrides } from '../../config/load.ts'
import { watchConfig } from '../../config/watch.ts'
import type { Watch } from '../../config/watch.ts'
import type { Gateway } from '../../core/gateway.ts'
import { startGateway } from '../../core/gateway.ts'
import { createIdentity, loadAdminToken } from '../../core/http/identity.ts'
import { createLog } from '../../core/log/log.ts'
import type { LogOptions, RootLog } from '../../core/log/log.ts'
import { Plugins } from '../../core/plugins/plugins.ts'
import { watchPlugins } from '../../core/plugins/watch.ts'
import { builtInNames } from '../adapters.ts'
import { announce } from './announce.ts'
import { configFile, loadWithoutPlugins } from '../config-file.ts'
import { checkFiles, checkFolder } from '../running/data-folder.ts'
import { fail } from '../fail.ts'
import { instanceName } from './instance-name.ts'
import { leaveAddress, takeAddress } from '../running/local-gateway.ts'
import { ownAddress } from '../running/own-address.ts'
import { Reloads } from './reloads.ts'
import { onSignal, warnOf } from './signals.ts'
import { overridesOf } from './start-options.ts'
import type { StartOptions } from './start-options.ts'
import { openStore, reclaimStore } from '../store.ts'
import { version } from '../version.ts'
import { fixedOf, refuseAnother, withFixed } from '../workers/fixed.ts'
import type { Fixed } from '../workers/fixed.ts'
import { membership } from '../workers/membership.ts'
import { cacheFile } from '../workers/own-folder.ts'
import { REFUSED } from '../workers/messages.ts'
import type { Ready } from '../workers/messages.ts'

const STOP_MS = 9000
/** What a reload that had begun may take yet when all else is over: it takes nothing over any more. */
const LAST_RELOAD_MS = 500
/** Who leaves a shared port waits for callers whose connections are at rest: they are closed after `keepAliveTimeout`. */
const LONGEST_LEAVE_MS = 10_000
const KEEP_ALIVE_MARGIN_MS = 1500

export async function start(options: StartOptions): Promise<void> {
  const file = configFile(options.config)
  const overrides = overridesOf(options)
  const crew = membership()
  const since = Date.now()
  try {
    const { like: fixed, beside } = (await crew?.begin) ?? {}
    const log = createLog(await logOptions({ file, overrides, worker: crew?.number, fixed }))
    let again = async (): Promise<unknown> => undefined
    const plugins = new Plugins({ log, builtIn: builtInNames, onAgain: () => again() })
    const reloads = await Reloads.begin({ file, overrides, plugins, log, worker: crew?.number, fixed })
    const { config } = reloads
    refuseAnother(config, beside)
    log.setSecrets(config.secrets)
    if (options.useMovedStore === true) await reclaimStore(config, log)
    const store = await openStore(config, log, options)
    const adminToken = await loadAdminToken(config.dataDirectory, config.admin.token)
    const { host, publicUrl, trustedProxies } = config.http
    const around = { host, publicUrl, trustedProxies, adminToken, log: log.child('identity') }
    const identity = createIdentity(config.identity, around)
    const open = config.identity === undefined
    let watching: Watch | undefined
    const gateway = await startGateway({
      settings: config,
      plugins,
      store,
      identity,
      open,
      log,
      version,
      ...store.shared,
      cacheFile: await cacheFile(config.dataDirectory, crew?.number),
      name: instanceName(crew?.number),
      peers: crew && { worker: crew.number, ...crew.peers },
      history: reloads.admin,
      onRetired: (generation) => reloads.retired(generation),
      reload: async (take, cause) => {
        const from = Date.now()
        try {
          return await reloads.reload(
            ({ config: settings, adapters, fingerprint }) => take({ settings, adapters, fingerprint }),
            cause,
          )
        } finally {
          watching?.follow(reloads.files, from)
        }
      },
    })
    await mkdir(config.dataDirectory, { recursive: true }) // with a store elsewhere nobody else has made it
    if (crew === undefined) await leaveAddress(config.dataDirectory, ownAddress(config.http, gateway.port))
    const reloaded = (): void => {
      plugins.forgive()
      void gateway.reload().catch(() => undefined) // the gateway has logged why
    }
    const watch = watchConfig(reloads.files, reloaded, { since })
    watching = watch
    const dropped = async (): Promise<void> => {
      const isDue = (): Promise<boolean> => reloads.hasDropped()
      await gateway.reload({ isDropIn: true, isDue }).catch(() => undefined) // as above
    }
    again = async () => {
      await gateway.reload({ isDropIn: true, isAgain: true, isRetry: true }).catch(() => undefined) // it has been said
    }
    const watchingPlugins = watchPlugins(() => reloads.pluginsFolder, dropped, {
      onSign: (name) => plugins.prepare(name),
      onTrouble: (error) => log.child('plugins').error('the plugins folder cannot be looked at', { error }),
    })
    const { tls } = config.http
    const certificates =
      tls === undefined ? [] : [tls.certFile, tls.keyFile, ...(tls.caFile === undefined ? [] : [tls.caFile])]
    const watchingTls = watchConfig(certificates, () => renewed(gateway, log), { since })
    onSignal('SIGHUP', reloaded)
    warnOf(['SIGUSR1', 'SIGUSR2'], log.child('gateway'))
    let isStopping = false
    const stop = async (why: string, leaveMs = 0): Promise<void> => {
      if (isStopping) return
      isStopping = true
      again = async () => undefined
      log.child('gateway').info('stopping', { signal: why })
      reloads.end()
      const closed = Promise.all([watch.close(), watchingTls.close(), watchingPlugins[Symbol.asyncDispose]()])
      if (leaveMs > 0) await gateway.leave(leaveMs)
      const left = await gateway.stop(STOP_MS)
      await Promise.race([closed, new Promise((passed) => setTimeout(passed, LAST_RELOAD_MS))])
      await plugins[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
      if (crew === undefined) await takeAddress(config.dataDirectory)
      await crew?.farewell()
      log.child('gateway').info('stopped', { unfinished: left })
      await log.flushed()
      process.exit(0)
    }
    for (const signal of ['SIGTERM', 'SIGINT'] as const) onSignal(signal, () => void stop(signal))
    const leaveMs = Math.min(LONGEST_LEAVE_MS, config.http.keepAliveTimeoutMs + KEEP_ALIVE_MARGIN_MS)
    crew?.onLeave((reason) => void stop(reason, reason === 'replaced' ? leaveMs : 0))
    // Last: whoever reads that it is ready may send a signal at once.
    const ready = readyOf(gateway, { file, channels: Object.keys(config.channels) })
    if (crew === undefined) announce(ready)
    else crew.ready(ready, fixedOf(config))
    setImmediate(flushCompileCache) // the next start is faster, also after a kill -9
  } catch (error) {
    fail(error)
    process.exit(crew === undefined ? 1 : REFUSED)
  }
}

/** The log is there before the plugins, which may say something when they are loaded. */
async function logOptions({
  file,
  overrides,
  worker,
  fixed,
}: {
  readonly file: string
  readonly overrides: Overrides
  readonly worker: number | undefined
  readonly fixed: Fixed | undefined
}): Promise<LogOptions> {
  try {
    const config = withFixed(await loadWithoutPlugins(file, overrides), fixed)
    const { log, secrets, store, dataDirectory } = config
    checkFolder(dataDirectory)
    checkFiles(config)
    const fields = { instance: instanceName(worker), ...(worker !== undefined && { worker }) }
    return { level: log.level, secrets, ...(store.url !== undefined && { fields }) }
  } catch (error) {
    if (error instanceof ConfigError) return { level: 'info' } // it is told with what the plugins' schemas find
    throw error
  }
}

async function renewed(gateway: Gateway, log: RootLog): Promise<void> {
  try {
    await gateway.reloadTls()
    log.child('http').info('the certificate was renewed')
  } catch (error) {
    log.child('http').error('the new certificate cannot be used; the old one stays', { error })
  }
}

interface Announced {
  readonly file: string
  readonly channels: readonly string[]
}

function readyOf(gateway: Gateway, { file, channels }: Announced): Ready {
  // The first MQTT channel that listens, as --mqtt-port means it.
  const [mqtt] = channels.flatMap((channel) => portOf(channel) ?? [])
  return {
    file,
    origin: gateway.origin,
    http: gateway.port,
    ...(mqtt !== undefined && { mqtt }),
    hints: gateway.hints(),
  }
}
