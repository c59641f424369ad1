// Several processes behind the same ports, as one gateway on a real Redis: killed, frozen, replaced, reloaded.
import { randomUUIDv7 } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { connectAsync } from 'mqtt'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../../bin/demo/free-port.ts'
import type { InstanceRow } from '../../core/operators/cluster.ts'
import { connect, memoryBox } from '../../core/link/client.ts'
import { startBot, textOf } from '../support/bot.ts'
import type { Bot } from '../support/bot.ts'
import { startGateway, until } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { RedisServer } from '../support/redis-server.ts'
import { say } from '../support/rest.ts'
import { openApp } from '../support/websocket-app.ts'
import type { WebSocketApp } from '../support/websocket-app.ts'
import { dragoman } from './documents.ts'

/** On a machine that is busy with other things as well. */
const LONG_MS = 120_000
const PARTITIONS = 256

let redis: RedisServer
let bot: Bot
let gateway: GatewayProcess
let mqttPort: number

const yaml = (more = ''): string => `
http: { keepAliveTimeout: 1s }
store: { url: "${redis.url}" }
channels:
  web: { adapter: rest }
  devices: { adapter: mqtt, port: ${mqttPort}, topics: { 'shop/+/say': { kind: message, sender: "topic[1]" } } }
agents: { bot: { adapter: webhook, url: "${bot.url}" } }
routes: [ { agent: bot } ]
${more}`

beforeAll(async () => {
  redis = await RedisServer.start(['--appendonly', 'no']) // what the disk costs is not the question here
  bot = await startBot((asked) => ({ body: { text: `echo ${textOf(asked)}` } }))
  mqttPort = await freePort()
  gateway = await startGateway({ yaml: yaml(), words: ['--workers', '2'] })
}, LONG_MS)
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await bot[Symbol.asyncDispose]()
  await redis[Symbol.asyncDispose]()
}, LONG_MS)

async function admin(path: string, of = gateway): Promise<Response> {
  const token = (await readFile(join(of.directory, 'data', 'admin.token'), 'utf8')).trim()
  return fetch(`${of.base}${path}`, { headers: { authorization: `Bearer ${token}` } })
}

async function instances(of = gateway): Promise<readonly InstanceRow[]> {
  const response = await admin('/admin/v1/cluster', of)
  return (await response.json()) as readonly InstanceRow[] // our own admin API
}

/** One that was killed; for a while the others cannot know. */
const dead = new Set<number>()

function kill(row: InstanceRow | undefined): void {
  if (row === undefined) throw new Error('there is none to kill')
  dead.add(row.pid)
  process.kill(row.pid, 'SIGKILL')
}

/** Those that run, once there are two and all partitions are theirs. */
function settled(): Promise<readonly InstanceRow[]> {
  return until(async () => {
    const rows = await instances().catch(() => []) // a worker was killed with this very connection
    const running = rows.filter(({ state, pid }) => state === 'running' && !dead.has(pid))
    const held = sum(running.map(({ partitions }) => partitions))
    return running.length === 2 && held === PARTITIONS ? running : undefined
  }, LONG_MS)
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0)
}

/** Of a supervisor's log. */
function said(message: string): number {
  return gateway.log().split(`"msg":"${message}"`).length - 1
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** One after another with a breath in between, until it is over; what each has yielded. */
async function each(over: AbortSignal, step: (n: number) => Promise<string>): Promise<readonly string[]> {
  const all: string[] = []
  while (!over.aborted) {
    all.push(await step(all.length))
    await new Promise((breath) => setTimeout(breath, 20))
  }
  return all
}

test(
  'both ports are answered by all workers, in turn, and any of them shows all',
  async () => {
    // The hints come after the line that says it is ready.
    const lines = await until(() =>
      /^# devices$/mu.test(gateway.output()) ? gateway.output().split('\n') : undefined,
    )
    expect(lines.filter((line) => line.startsWith('{'))).toEqual([
      JSON.stringify({ ready: true, http: gateway.port, mqtt: mqttPort, workers: 2 }),
    ])
    expect(lines.filter((line) => line.startsWith('# '))).toEqual(['# web', '# devices'])
    await settled()

    const apps: WebSocketApp[] = []
    for (let at = 0; at < 10; at += 1) apps.push(await openApp(gateway.base, `balanced-${at}`))
    const device = await connectAsync(`mqtt://127.0.0.1:${mqttPort}`)
    await device.publishAsync('shop/7/say', JSON.stringify({ id: 'm1', text: 'by mqtt' }), { qos: 1 })
    expect((await say(gateway.base, 'by http', { waitSeconds: 30 })).body.reply?.parts?.[0]?.text).toBe(
      'echo by http',
    )
    await until(() => bot.asked.find((asked) => textOf(asked) === 'by mqtt'), LONG_MS)

    const rows = await until(async () => {
      const now = await instances()
      return sum(now.map(({ connections }) => connections.websocket)) === 10 ? now : undefined
    }, LONG_MS)
    expect(rows.map(({ worker, state, generation }) => ({ worker, state, generation }))).toEqual([
      { worker: 1, state: 'running', generation: 1 },
      { worker: 2, state: 'running', generation: 1 },
    ])
    // In turn, but who is busy at that moment is passed over.
    for (const { connections } of rows) expect(connections.websocket).toBeGreaterThanOrEqual(2)
    expect(sum(rows.map(({ links }) => links))).toBe(10)
    expect(new Set(rows.map(({ config }) => config)).size).toBe(1)
    const figures = await (await admin('/metrics')).text()
    for (const worker of [1, 2]) {
      expect(figures).toMatch(
        new RegExp(`^dragoman_instance_info\\{name="[^"]+/${worker}",.*worker="${worker}"\\} 1$`, 'mu'),
      )
      expect(figures).toMatch(
        new RegExp(`^dragoman_connections\\{link="websocket",worker="${worker}"\\} [1-9]$`, 'mu'),
      )
    }
    for (const { socket } of apps) socket.terminate()
    await device.endAsync()
    for (const line of gateway.log().trim().split('\n'))
      expect(JSON.parse(line)).toMatchObject({ instance: expect.any(String) as string })
  },
  LONG_MS,
)

test(
  'a worker that is frozen and killed with -9: nobody hangs, every caller gets his answer, another one is started',
  async () => {
    const [victim] = await settled()
    const died = said('a worker has died')
    process.kill(victim?.pid ?? 0, 'SIGSTOP')
    const ended: string[] = []
    const ends = Array.from({ length: 6 }, async () => {
      const socket = createConnection(gateway.port, '127.0.0.1')
      socket.on('error', () => undefined)
      socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
      let answer = ''
      socket.on('data', (piece) => (answer += String(piece)))
      await new Promise((closed) => socket.once('close', closed))
      ended.push(answer === '' ? 'cut' : answer.slice(0, 12))
    })
    // The frozen one is given no second connection before it has taken the first: the other answers all but one.
    await until(() => (ended.length === 5 ? true : undefined), LONG_MS)

    const over = new AbortController()
    const answers: unknown[] = []
    const callers = Array.from({ length: 4 }, async (_, caller) => {
      for (let n = 0; !over.signal.aborted; n += 1) {
        const key = randomUUIDv7()
        const text = `killed ${caller} ${n}`
        for (;;) {
          // Its connection was the victim's: the same key again, as SEMANTICS 8 has it.
          const options = { key, customer: `k${caller}`, waitSeconds: 60 }
          const answered = await say(gateway.base, text, options).catch(() => undefined)
          if (answered?.status !== 200) continue
          answers.push([text, answered.body.reply?.parts?.[0]?.text])
          break
        }
      }
    })
    // The file names another store since: it is for the next start, and no worker's before it.
    const file = join(gateway.directory, 'gateway.yaml')
    await writeFile(file, yaml().replace(redis.url, `${redis.url}/9`))
    await until(
      () => (said('the change of \\"store\\" is used after the next start') > 0 ? true : undefined),
      LONG_MS,
    )
    kill(victim)
    await Promise.all(ends)
    expect(ended).toEqual([...Array<string>(5).fill('HTTP/1.1 200'), 'cut'])
    const now = await settled()
    expect(now.map(({ worker }) => worker)).toEqual([1, 2])
    const isLost = ({ id, state }: InstanceRow): boolean => id === victim?.id && state === 'lost'
    await until(async () => ((await instances()).some(isLost) ? true : undefined), LONG_MS)
    over.abort()
    await Promise.all(callers)
    expect(answers.length).toBeGreaterThan(20)
    for (const answer of answers) {
      const [text] = answer as readonly [string]
      expect(answer).toEqual([text, `echo ${text}`])
    }
    expect(said('a worker has died')).toBe(died + 1)

    process.kill(gateway.pid, 'SIGUSR2')
    const refused = 'the workers were not all replaced; those that run go on'
    await until(() => (said(refused) > 0 ? true : undefined), LONG_MS)
    expect(gateway.log()).toContain('store.url is not what the workers that run have')
    expect((await settled()).map(({ id }) => id)).toEqual(now.map(({ id }) => id))
    await writeFile(file, yaml())
  },
  LONG_MS,
)

test(
  'SIGUSR2 replaces the workers one after another: no request refused, no message of app or device lost or doubled',
  async () => {
    const before = await settled()
    const replaced = said('all workers were replaced')
    const { socket, frames } = await openApp(gateway.base, 'mover')
    const over = new AbortController()
    const accepted: string[] = []
    const refused: unknown[] = []
    const callers = Array.from({ length: 4 }, async (_, caller) => {
      for (let n = 0; !over.signal.aborted; n += 1) {
        const text = `rolling ${caller} ${n}`
        try {
          const { status, body } = await say(gateway.base, text, {
            key: randomUUIDv7(),
            customer: `r${caller}`,
          })
          if (status === 202) accepted.push(text)
          else refused.push({ status, body })
        } catch (error) {
          refused.push(error)
        }
      }
    })
    const riders = Array.from({ length: 3 }, (_, rider) => {
      const chat = connect({
        url: gateway.base,
        token: `rider-${rider}-${randomUUIDv7()}`,
        box: memoryBox(),
        links: ['websocket'],
      })
      const heard: string[] = []
      chat.onMessage(({ from, text }) => void (from === 'me' || heard.push(text)))
      const sending = each(over.signal, async (n) => {
        await chat.send(`rider ${rider} ${n}`)
        return `echo rider ${rider} ${n}`
      })
      return { chat, heard, sending }
    })
    const device = await connectAsync(`mqtt://127.0.0.1:${mqttPort}`, { reconnectPeriod: 100 })
    device.on('error', () => undefined)
    const published = each(over.signal, async (n) => {
      await device.publishAsync('shop/8/say', JSON.stringify({ id: randomUUIDv7(), text: `device ${n}` }), {
        qos: 1,
      })
      return `device ${n}`
    })
    process.kill(gateway.pid, 'SIGUSR2')
    await until(() => (said('all workers were replaced') > replaced ? true : undefined), LONG_MS)
    over.abort()
    await Promise.all(callers)
    accepted.push(...(await published))
    await device.endAsync()
    for (const { chat, heard, sending } of riders) {
      const wanted = await sending
      await until(() => (heard.length >= wanted.length ? true : undefined), LONG_MS)
      expect(heard).toEqual(wanted)
      await chat.close()
    }
    expect(refused).toEqual([])
    expect(accepted.length).toBeGreaterThan(20)
    const now = await settled()
    for (const { pid } of before) expect(now.map((row) => row.pid)).not.toContain(pid)
    await until(() => {
      const told = new Set(bot.asked.map(textOf))
      return accepted.every((text) => told.has(text)) ? true : undefined
    }, LONG_MS)
    expect(frames.at(-1)).toMatch(/^\{"t":"kick","code":"moved","after":\d+\}$/u)
    socket.terminate()
  },
  LONG_MS,
)

test(
  'a config with a mistake is refused by each worker, and the cluster shows where and why; the next one is taken by all, and by who died meanwhile',
  async () => {
    await settled()
    const file = join(gateway.directory, 'gateway.yaml')
    await writeFile(file, `${yaml()}\nlane: {}\n`)
    const refusing = await until(async () => {
      const rows = await settled()
      return rows.every(({ lastReload }) => typeof lastReload?.error === 'string') ? rows : undefined
    }, LONG_MS)
    for (const { lastReload } of refusing)
      expect(lastReload?.error).toMatch(/gateway\.yaml:\d+:\d+: .*"lane"/u)
    const { stdout } = await dragoman(
      ['cluster', '--once', '--config', file, '--data', join(gateway.directory, 'data')],
      gateway.directory,
    )
    expect(stdout.match(/ running .* REFUSED /gu)).toHaveLength(2)
    expect(stdout).toMatch(/\/\d refused the change of [^ ]+: .*"lane"/u)

    // Another one each time: what is there already would be no change.
    await writeFile(file, yaml(`lanes: { limit: ${Date.now() % 1_000_000} }\n`))
    const taken = await until(async () => {
      const rows = await settled()
      return rows.every(({ lastReload }) => lastReload?.error === null) ? rows : undefined
    }, LONG_MS)
    const [one, other] = taken
    expect(one?.config).toBe(other?.config)
    expect(one?.config).not.toBe(refusing[0]?.config)
    const told = (await (await admin('/admin/v1/events')).json()) as { events: { worker: number }[] } // our own admin API
    expect(new Set(told.events.map(({ worker }) => worker)).size).toBe(2)

    const died = said('a worker has died')
    await writeFile(file, `${yaml()}\nlane: {}\n`)
    kill(other)
    await until(() => (said('a worker has died') >= died + 2 ? true : undefined), LONG_MS) // it says the mistake, and ends
    await writeFile(file, yaml())
    await settled()
  },
  LONG_MS,
)

test(
  'without their supervisor the workers finish and end',
  async () => {
    const orphans = await settled()
    await gateway.kill()
    await until(() => (orphans.some(({ pid }) => isAlive(pid)) ? undefined : true), LONG_MS)
  },
  LONG_MS,
)
