// A real mosquitto, as somebody else's broker: on a port of its own, stopped by its pid.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { freePort } from '../../../../bin/demo/free-port.ts'
import { until } from '../../../support/gateway.ts'

export interface Mosquitto extends AsyncDisposable {
  readonly port: number
  readonly url: string
  /** Ends the process; sessions are kept on disk for the next start. */
  stop(): Promise<void>
  start(): Promise<void>
}

/** `settings` are lines of its configuration file. */
export async function startMosquitto(settings: readonly string[] = []): Promise<Mosquitto> {
  const directory = await mkdtemp(join(tmpdir(), 'dragoman-mosquitto-'))
  const port = await freePort()
  const file = join(directory, 'mosquitto.conf')
  await writeFile(
    file,
    [
      `listener ${port} 127.0.0.1`,
      'allow_anonymous true',
      'user root',
      'persistence true',
      `persistence_location ${directory}/`,
      'max_queued_messages 0',
      'log_dest none',
      ...settings,
      '',
    ].join('\n'),
  )
  let child: ChildProcess | undefined
  const self: Mosquitto = {
    port,
    url: `mqtt://127.0.0.1:${port}`,
    async start() {
      child = spawn('/usr/sbin/mosquitto', ['-c', file], { stdio: 'ignore' })
      await until(async () => ((await answers(port)) ? true : undefined))
    },
    async stop() {
      const ending = child
      child = undefined
      if (ending === undefined || ending.exitCode !== null) return
      const ended = new Promise((resolve) => ending.once('exit', resolve))
      ending.kill('SIGTERM')
      await ended
    },
    async [Symbol.asyncDispose]() {
      await self.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
  await self.start()
  return self
}

function answers(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = connect({ host: '127.0.0.1', port })
  socket.once('connect', () => resolve(true))
  socket.once('error', () => resolve(false))
  return promise.finally(() => socket.destroy())
}
