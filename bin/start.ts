// `dragoman start`: the process around the gateway: signals, the ready line, reload.
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { flushCompileCache } from 'node:module'
import { join } from 'node:path'
import { portOf } from '../adapters/mqtt/ports.ts'
import { ConfigError } from '../config/load.ts'
import type { Overrides } from '../config/load.ts'
import { watchConfig } from '../config/watch.ts'
import type { Gateway } from '../core/gateway.ts'
import { startGateway } from '../core/gateway.ts'
import { createIdentity, loadAdminToken } from '../core/http/identity.ts'
import { createLog } from '../core/log.ts'
import type { LogOptions, RootLog } from '../core/log.ts'
import { Plugins } from '../core/plugins/plugins.ts'
import { watchPlugins } from '../core/plugins/watch.ts'
import { builtInNames } from './adapters.ts'
import { configFile, loadWithoutPlugins } from './config-file.ts'
import { fail } from './fail.ts'
import { Reloads } from './reloads.ts'
import { openStore, reclaimStore } from './store.ts'
import { version } from './version.ts'

export interface StartOptions {
  readonly config?: string
  readonly data?: string
  readonly port?: number
  readonly mqttPort?: number
  /** A store that was moved away is this gateway's again. */
  readonly useMovedStore?: boolean
}

const STOP_MS = 9000

export async function start(options: StartOptions): Promise<void> {
  const file = configFile(options.config)
  const overrides = {
    ...(options.data !== undefined && { data: options.data }),
    ...(options.port !== undefined && { port: options.port }),
    ...(options.mqttPort !== undefined && { mqttPort: options.mqttPort }),
  }
  try {
    const log = createLog(await logOptions(file, overrides))
    const plugins = new Plugins({ log, builtIn: builtInNames })
    const reloads = await Reloads.begin({ file, overrides, plugins, log })
    const { config } = reloads
    log.setSecrets(config.secrets)
    if (options.useMovedStore === true) await reclaimStore(config)
    const store = await openStore(config, log)
    const adminToken = await loadAdminToken(config.dataDirectory, config.admin.token)
    const { host } = config.http
    const identity = createIdentity(config.identity, { host, adminToken, log: log.child('identity') })
    const open = config.identity === undefined
    const gateway = await startGateway({
      settings: config,
      plugins,
      store,
      identity,
      open,
      log,
      version,
      cacheFile: join(config.dataDirectory, 'cache.db'),
      history: reloads.admin,
      reload: (take, cause) =>
        reloads.reload((next) => take({ settings: next.config, adapters: next.adapters }), cause),
    })
    const urlFile = join(config.dataDirectory, 'gateway.url')
    await mkdir(config.dataDirectory, { recursive: true }) // with a store elsewhere nobody else has made it
    await writeFile(urlFile, `${gateway.origin}\n`, { mode: 0o600 })
    const reloaded = (): void => {
      plugins.forgive()
      void gateway.reload().catch(() => undefined) // the gateway has logged why
    }
    const watching = watchConfig([file, ...config.files], reloaded)
    const dropped = async (): Promise<void> => {
      if (await reloads.hasDropped()) await gateway.reload({ isDropIn: true }).catch(() => undefined) // as above
    }
    const watchingPlugins = watchPlugins(() => reloads.pluginsFolder, dropped, {
      onSign: (name) => plugins.prepare(name),
    })
    const { tls } = config.http
    const certificates =
      tls === undefined ? [] : [tls.certFile, tls.keyFile, ...(tls.caFile === undefined ? [] : [tls.caFile])]
    const watchingTls = watchConfig(certificates, () => renewed(gateway, log))
    process.on('SIGHUP', reloaded)
    const stop = async (signal: string): Promise<void> => {
      log.child('gateway').info('stopping', { signal })
      await Promise.all([watching.close(), watchingTls.close(), watchingPlugins[Symbol.asyncDispose]()])
      const left = await gateway.stop(STOP_MS)
      await plugins[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
      await rm(urlFile, { force: true })
      log.child('gateway').info('stopped', { unfinished: left })
      log.flush()
      process.exit(0)
    }
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop(signal))
    // Last: whoever reads that it is ready may send a signal at once.
    announce(gateway, { file, channels: Object.keys(config.channels) })
    setImmediate(flushCompileCache) // the next start is faster, also after a kill -9
  } catch (error) {
    fail(error)
    process.exit(1)
  }
}

/** The log is there before the plugins, which may say something when they are loaded. */
async function logOptions(file: string, overrides: Overrides): Promise<LogOptions> {
  try {
    const { log, secrets } = await loadWithoutPlugins(file, overrides)
    return { level: log.level, secrets }
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

function announce(gateway: Gateway, { file, channels }: Announced): void {
  // The first MQTT channel that listens, as --mqtt-port means it.
  const [mqtt] = channels.flatMap((channel) => portOf(channel) ?? [])
  console.log(JSON.stringify({ ready: true, http: gateway.port, ...(mqtt !== undefined && { mqtt }) }))
  const hints = gateway.hints()
  console.log(`\nDragoman listens on ${gateway.origin}, configured by ${file}.`)
  if (hints.length > 0) console.log('Try, in another terminal:\n')
  for (const { channel, command } of hints) console.log(`# ${channel}\n${command}\n`)
}
