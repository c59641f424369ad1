// A master is killed under load and its replica promoted by a Sentinel: with `strict` nothing that was acknowledged is lost (SEMANTICS 12).
import { randomUUIDv7 } from 'node:crypto'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { until } from '../support/gateway.ts'
import { RedisSentinel, SENTINEL_PASSWORD } from '../support/redis-sentinel.ts'
import { RedisServer } from '../support/redis-server.ts'
import { isFull, seeded } from './random.ts'
import { startRedisWorld } from './redis/load.ts'

const MESSAGES = isFull ? 10_000 : 500
/** A Sentinel waits a second, elects and promotes: some seconds on a machine of its own. */
const PROMOTED_MS = 60_000

test(
  `failover to the replica that acknowledged: 0 of ${MESSAGES} acknowledged lost, and the way on is found`,
  { timeout: 600_000 },
  async () => {
    const random = seeded('failover')
    await using master = await RedisServer.start()
    await using replica = await RedisServer.start(['--replicaof', '127.0.0.1', String(master.port)])
    await until(() => (master.cli('INFO', 'replication').includes('state=online') ? true : undefined), 30_000)
    await using sentinel = await RedisSentinel.start(master)
    await sentinel.knows(1)
    const url = `redis+sentinel://127.0.0.1:${sentinel.port}/main`
    const store = `{ url: "${url}", sentinel: { password: ${SENTINEL_PASSWORD} }, durability: strict }`
    await using world = await startRedisWorld(store, random)
    const said = 'a failover to its replica costs nothing that was acknowledged (WAIT 1)'
    await until(() => world.gateway.log().includes(said) || undefined) // a log comes by its own pipe

    const app = await openApp(world.gateway.base)

    const half = MESSAGES / 2 + Math.floor(random() * 50)
    await until(() => (world.acknowledged() >= half ? true : undefined), 300_000)
    await master.end('SIGKILL')
    const killed = Date.now()
    const acknowledged = world.acknowledged()
    await until(async () => (await fetch(`${world.gateway.base}/readyz`)).status === 503 || undefined)
    await until(() => (world.acknowledged() >= acknowledged + 20 ? true : undefined), PROMOTED_MS)
    const back = Date.now() - killed
    expect(sentinel.master()).toBe(replica.port)
    await until(() => (world.gateway.log().includes('Redis is another one than before') ? true : undefined))
    // Who was connected is told without asking.
    await until(() => app.frames.find(({ t }) => t === 'reset'), PROMOTED_MS)
    app.close()
    await until(() => (world.acknowledged() >= MESSAGES ? true : undefined), 300_000)
    await world.rest()
    await world.nothingLost()
    expect(world.gateway.log()).not.toContain(SENTINEL_PASSWORD)
    console.log(
      `${world.said.length} messages, ${acknowledged} before the master was killed, back after ${back} ms`,
    )
  },
)

/** An app on a WebSocket that has said hello and a message, and got its answer. */
async function openApp(base: string): Promise<{ readonly frames: readonly Frame[]; close(): void }> {
  const socket = new WebSocket(`${base.replace('http', 'ws')}/v1/ws`, ['dragoman.1', 'bearer.ann'])
  const frames: Frame[] = []
  socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString()) as Frame)) // the gateway's own
  await once(socket, 'open')
  const id = randomUUIDv7()
  const hello = { t: 'hello', v: 1, device: id, boot: id, first: 1, epoch: '', offset: 0 }
  socket.send(JSON.stringify([hello, { t: 'send', n: 1, id, message: { text: 'hello' } }]))
  await until(() => (frames.filter(({ t }) => t === 'msg').length === 2 ? true : undefined))
  return { frames, close: () => socket.close() }
}

interface Frame {
  readonly t: string
}
