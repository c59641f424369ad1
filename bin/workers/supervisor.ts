// `dragoman start --workers N`: the process that holds the ports and hands each connection to a worker in turn.
import cluster from 'node:cluster'
import type { Config } from '../../config/load.ts'
import { GatewayError } from '../../core/api.ts'
import { loadAdminToken } from '../../core/http/identity.ts'
import { createLog, linesLost } from '../../core/log/log.ts'
import { ErrorOutput } from '../../core/log/log-output.ts'
import { announce } from '../start/announce.ts'
import { configFile, loadWithoutPlugins } from '../config-file.ts'
import { checkFolder } from '../running/data-folder.ts'
import { fail } from '../fail.ts'
import { freePort } from '../demo/free-port.ts'
import { instanceName } from '../start/instance-name.ts'
import { leaveAddress, takeAddress } from '../running/local-gateway.ts'
import { ownAddress } from '../running/own-address.ts'
import { onSignal, warnOf } from '../start/signals.ts'
import { overridesOf } from '../start/start-options.ts'
import type { StartOptions } from '../start/start-options.ts'
import { Crew } from './crew.ts'
import { forgetCache } from './own-folder.ts'

/** What the supervisor does itself, and no worker again. */
const ONCE: ReadonlySet<string> = new Set(['--use-moved-store', '--confirm-clock-jump'])
/** What the last one has said may come after its end. */
const LAST_LINES_MS = 200

/**
 * Runs until SIGTERM or SIGINT, which end every worker in order; SIGHUP makes each load the config again, SIGUSR2 replaces them one
 * after another. Without Redis it says so and ends: processes with a store of their own each would be strangers to each other.
 */
export async function supervise(options: StartOptions & { readonly workers: number }): Promise<void> {
  try {
    const file = configFile(options.config)
    const config = await loadWithoutPlugins(file, overridesOf(options))
    if (config.store.url === undefined)
      throw new GatewayError(
        'INTERNAL',
        `--workers needs Redis, by which they are one gateway: set store.url in ${file}, as in "store: { url: redis://127.0.0.1:6379 }"`,
      )
    checkFolder(config.dataDirectory)
    await loadAdminToken(config.dataDirectory, config.admin.token)
    const log = createLog({ level: config.log.level, secrets: config.secrets })
    // Once, and by no worker that is started later.
    if (options.useMovedStore === true) await (await import('../store.ts')).reclaimStore(config, log)
    if (options.confirmClockJump === true) {
      await using _store = await (await import('../store.ts')).openStore(config, log, options)
    }
    const given = process.argv.slice(2).filter((word) => !ONCE.has(word))
    // Where the file has a port each worker reads it by itself, and says when it is another one.
    const port = config.http.port === 0 ? ['--port', String(await freePort())] : []
    // Round robin: the only one of Node's three ways in which idle connections are spread evenly and none is lost when a worker leaves.
    cluster.schedulingPolicy = cluster.SCHED_RR
    cluster.setupPrimary({
      args: [...given, ...port],
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    })
    run(config, options.workers)
  } catch (error) {
    fail(error)
    process.exit(1)
  }
}

function run({ dataDirectory, http, log: { level }, secrets }: Config, workers: number): void {
  const out = new ErrorOutput((lost) => log.warn(linesLost(lost), { lost }))
  const write = (lines: string): void => out.write(lines)
  const log = createLog({ level, secrets, write, fields: { instance: instanceName() } }).child('supervisor')
  const crew = new Crew({
    workers,
    log,
    write,
    prepare: (number) => forgetCache(dataDirectory, number),
    onReady: (ready) => void tell(ready),
    onFixed: (fixed) => void leave(fixed.http),
    onEnd: (status) => void end(status),
  })

  /** Without it commands find nobody; those that know where we are go on. */
  async function leave(of: Config['http']): Promise<void> {
    try {
      await leaveAddress(dataDirectory, ownAddress(of, of.port))
    } catch (error) {
      log.error('where the workers listen now could not be left for commands', { error })
    }
  }

  async function tell(ready: Parameters<typeof announce>[0]): Promise<void> {
    await leaveAddress(dataDirectory, ownAddress(http, ready.http))
    onSignal('SIGHUP', () => crew.reload())
    onSignal('SIGUSR2', () => void crew.replaceAll())
    announce(ready, { workers })
  }

  async function end(status: number): Promise<void> {
    await takeAddress(dataDirectory)
    await new Promise((heard) => setTimeout(heard, LAST_LINES_MS))
    log.info('stopped')
    await out.flushed()
    process.exit(status)
  }

  let isStopping = false
  const stop = (signal: string): void => {
    if (isStopping) return
    isStopping = true
    log.info('stopping', { signal })
    crew.end(0)
  }
  warnOf(['SIGUSR1'], log)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) onSignal(signal, () => stop(signal))
  crew.start()
}
