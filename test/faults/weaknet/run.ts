// One profile of the matrix: a gateway that is killed, apps that are killed, and the count of what was lost, doubled or out of order.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'

import { startBot, textOf } from '../../support/bot.ts'
import { faultProxy, seeded } from '../../support/fault-proxy.ts'
import type { FaultProxy } from '../../support/fault-proxy.ts'
import { freePort } from '../../../bin/demo/free-port.ts'
import { startGateway, temporaryDirectory, until } from '../../support/gateway.ts'
import type { GatewayProcess } from '../../support/gateway.ts'
import { RedisServer } from '../../support/redis-server.ts'
import type { CustomerReport, FromApps, Order, ToApps } from './apps.ts'
import { KINDS } from './links.ts'
import type { Kind } from './links.ts'
import type { Profile } from './profiles.ts'

export interface Size {
  /** One half with `dragoman/client`, the other with an independent app. */
  readonly customers: number
  readonly messages: number
  readonly paceMs: number
  readonly lifeMs: readonly [number, number]
  /** Of the gateway, or of each instance in turn, with SIGKILL. */
  readonly kills: number
  /** So many gateways on one Redis, each connection to the next of them. Default: one, with its own file. */
  readonly instances?: number
  /** Then one of the instances stands still for so long (SIGSTOP). */
  readonly frozenMs?: number
  readonly seed: number
  readonly deadlineMs: number
}

/** Where the apps are, seen from the gateway. */
export interface Place {
  /** What begins the command of the apps' process. */
  readonly prefix: readonly string[]
  readonly host: string
  /** Darkens everything; ends by itself after the profile's `blackoutMs`. */
  readonly darken?: () => void
}

export interface Count {
  readonly lost: number
  readonly doubled: number
  readonly disordered: number
}

export interface Report {
  readonly profile: string
  readonly messages: number
  /** What the customers said, in the log. */
  readonly up: Count
  /** The same as the bot was asked, repeats of one id taken once. */
  readonly agent: Count
  /** What the customers were shown. */
  readonly down: Count
  readonly violations: readonly string[]
  /** Messages the bot could not be asked about: their answers are not lost, there are none. */
  readonly dead: number
  readonly opened: Readonly<Record<Kind, number>>
  /** Offsets that came again and were not shown. */
  readonly repeated: number
  readonly appKills: number
  readonly gatewayKills: number
  readonly frozenMs?: number
  readonly seconds: number
  /** The last customer's first frame after the darkness. */
  readonly backMs?: number
}

const ADMIN = 'token-of-the-weak-network-0123456789'
const SECRET = 'a secret of the weak network, 32 bytes at least'

const yaml = (
  bot: string,
  { mqtt, host, redis }: { readonly mqtt: number; readonly host: string; readonly redis: string | undefined },
): string => `
http: { host: ${host} }
admin: { token: ${ADMIN} }
identity:
  customers: { secret: '${SECRET}' }
channels:
  web: { adapter: rest }
  devices: { adapter: mqtt, port: ${mqtt}, host: ${host} }
agents: { bot: { adapter: webhook, url: "${bot}", timeout: 20s } }
routes: [ { agent: bot } ]
${redis === undefined ? '' : `store: { url: "${redis}" }\n`}`

/** Runs it to the end, or to its deadline; never rejects for what it counts. */
export async function runProfile(
  profile: Profile,
  size: Size,
  place: Place = { prefix: [], host: '127.0.0.1' },
): Promise<Report> {
  const begun = performance.now()
  await using stack = new AsyncDisposableStack()
  const answered = new Set<string>()
  const bot = stack.use(
    await startBot((asked) => {
      answered.add(textOf(asked))
      return { body: { text: `re: ${textOf(asked)}` } }
    }),
  )
  const isLocal = place.prefix.length === 0
  const { instances = 1, frozenMs } = size
  const redis = instances > 1 ? stack.use(await RedisServer.start()) : undefined
  const house = { bot: bot.url, host: isLocal ? '127.0.0.1' : '0.0.0.0', redis: redis?.url }
  const spots = await Promise.all(Array.from({ length: instances }, () => openSpot(house, stack)))
  const [first] = spots
  if (first === undefined) throw new Error('a run needs a gateway')
  let connections = 0
  const next = (kind: Kind) => (): number => (spots[connections++ % instances] ?? first).ports[kind]

  const targets: Record<Kind, number> = { ...first.ports }
  const proxies: FaultProxy[] = []
  if (isLocal)
    for (const [index, kind] of KINDS.entries()) {
      const isDark = profile.dark?.includes(kind) === true
      const proxy = await faultProxy({
        target: next(kind),
        seed: size.seed + index,
        faults: isDark ? { blackhole: { first: 0, every: 1e9, for: 1e9 } } : (profile.faults ?? {}),
      })
      proxies.push(stack.use(proxy))
      targets[kind] = proxy.port
    }

  const names = Array.from({ length: size.customers }, (_, index) => `c${index + 1}`)
  const order: Order = {
    host: place.host,
    ports: targets,
    kinds: profile.kinds ?? KINDS,
    customers: names.map((name, index) => ({
      name,
      token: tokenOf(name),
      app: index % 2 === 0 ? 'client' : 'independent',
    })),
    messages: size.messages,
    paceMs: size.paceMs,
    lifeMs: size.lifeMs,
    seed: size.seed,
    deadlineMs: size.deadlineMs,
  }
  let sent = 0
  const apps = startApps(place.prefix, order, (progress) => {
    sent = progress.sent
  })
  stack.use(apps)

  const isSent = (part: number): true | undefined =>
    sent >= part * size.customers * size.messages || apps.isDone || undefined
  let dark: Promise<void> | undefined
  if (profile.blackoutMs !== undefined) {
    const { blackoutMs } = profile
    await until(() => isSent(0.2), size.deadlineMs)
    for (const proxy of proxies) proxy.blackout(blackoutMs)
    place.darken?.()
    dark = new Promise((resolve) => setTimeout(resolve, blackoutMs)).then(() => apps.tell({ type: 'mark' }))
  }
  let kills = 0
  const steps = size.kills + (frozenMs === undefined ? 0 : 1)
  for (const [index, share] of shares(steps, seeded(size.seed)).entries()) {
    await until(
      () => answered.size >= share * size.customers * size.messages || apps.isDone || undefined,
      size.deadlineMs,
    )
    if (apps.isDone) break
    const spot = spots[(index + 1) % instances] ?? first
    if (index < size.kills) {
      await spot.restart()
      kills++
    } else await standStill(spot.gateway.pid, frozenMs)
  }
  await dark
  const customers = await apps.done

  const { gateway } = first
  const logs = await Promise.all(names.map((name) => readLog(gateway.base, name)))
  const said = (name: string, prefix = ''): readonly string[] =>
    Array.from({ length: size.messages }, (_, index) => `${prefix}${name} ${index + 1}`)
  const askedOnce = new Map(bot.asked.map((asked) => [String(asked.headers['webhook-id']), textOf(asked)]))
  const askedOf = (name: string): readonly string[] =>
    [...askedOnce.values()].filter((text) => text.startsWith(`${name} `))
  const backMs = customers.map(({ backMs: back }) => back ?? Infinity)
  return {
    profile: profile.name,
    messages: size.customers * size.messages,
    up: total(names.map((name, index) => compare(logs[index] ?? [], said(name)))),
    agent: total(names.map((name) => compare(askedOf(name), said(name)))),
    down: total(customers.map(({ name, shown }) => compare(shown, said(name, 're: ')))),
    violations: customers.flatMap(({ violations }) => violations),
    dead: await deadLetters(gateway.base),
    opened: {
      ws: sum(customers, ({ opened }) => opened.ws),
      mqtt: sum(customers, ({ opened }) => opened.mqtt),
      http: sum(customers, ({ opened }) => opened.http),
    },
    repeated: sum(customers, ({ duplicates }) => duplicates),
    appKills: sum(customers, (customer) => customer.kills),
    gatewayKills: kills,
    ...(frozenMs !== undefined && { frozenMs }),
    seconds: Math.round((performance.now() - begun) / 1000),
    ...(profile.blackoutMs !== undefined && { backMs: Math.round(Math.max(...backMs)) }),
  }
}

/** A gateway that comes back at the same place. */
interface Spot {
  readonly ports: Readonly<Record<Kind, number>>
  readonly gateway: GatewayProcess
  /** After kill -9. */
  restart(): Promise<void>
}

async function openSpot(
  { bot, host, redis }: { readonly bot: string; readonly host: string; readonly redis: string | undefined },
  stack: AsyncDisposableStack,
): Promise<Spot> {
  const [http, mqtt] = [await freePort(), await freePort()]
  const directory = await temporaryDirectory()
  stack.defer(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }))
  const options = { yaml: yaml(bot, { mqtt, host, redis }), directory, port: http }
  let gateway = await startGateway(options)
  stack.defer(async () => gateway[Symbol.asyncDispose]())
  return {
    ports: { ws: http, http, mqtt },
    get gateway() {
      return gateway
    },
    async restart() {
      await gateway.kill()
      gateway = await startGateway(options)
    },
  }
}

async function standStill(pid: number, ms = 0): Promise<void> {
  process.kill(pid, 'SIGSTOP')
  try {
    await new Promise((over) => setTimeout(over, ms))
  } finally {
    process.kill(pid, 'SIGCONT')
  }
}

interface Apps extends AsyncDisposable {
  readonly isDone: boolean
  readonly done: Promise<readonly CustomerReport[]>
  tell(message: ToApps): void
}

function startApps(
  prefix: readonly string[],
  order: Order,
  onProgress: (progress: Extract<FromApps, { type: 'progress' }>) => void,
): Apps {
  const [command, ...args] = [...prefix, process.execPath, join(import.meta.dirname, 'apps.ts')]
  const child: ChildProcess = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const { promise, resolve, reject } = Promise.withResolvers<readonly CustomerReport[]>()
  let isDone = false
  child.on('message', (message: FromApps) => {
    if (message.type === 'progress') onProgress(message)
    else {
      isDone = true
      resolve(message.customers)
    }
  })
  child.once('error', reject)
  child.once('exit', (code) => {
    isDone = true
    reject(new Error(`the apps ended with ${code}`))
  })
  promise.catch(() => undefined) // what ends the run first is what is told
  const tell = (message: ToApps): void => void (child.connected && child.send(message))
  tell({ type: 'start', order })
  return {
    get isDone() {
      return isDone
    },
    done: promise,
    tell,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        const exited = new Promise((ended) => child.once('exit', ended))
        child.kill('SIGKILL')
        await exited
      }
    },
  }
}

async function deadLetters(base: string): Promise<number> {
  const response = await fetch(`${base}/metrics`, { headers: { authorization: `Bearer ${ADMIN}` } })
  const found = /^dragoman_dead_letters (\d+)$/mu.exec(await response.text())
  if (found === null) throw new Error(`/metrics answered ${response.status}, and no dead letters`)
  return Number(found[1])
}

/**
 * When something happens to the gateway: at random, once in each part of the run. What counts is what came through, not what was said:
 * apps speak on while a gateway starts, and one that is killed whenever it is ready would be three lives without a call, after which
 * SEMANTICS 16 gives up what they began.
 */
function shares(count: number, random: () => number): readonly number[] {
  return Array.from({ length: count }, (_, index) => (index + 0.2 + 0.6 * random()) / count)
}

/** RFC 7519, HS256: what the gateway is told to trust. */
function tokenOf(name: string): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const body = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ sub: name, exp: Math.floor(Date.now() / 1000) + 3600 })}`
  return `${body}.${createHmac('sha256', SECRET).update(body).digest('base64url')}`
}

/** What a customer said in his conversation, in order. */
async function readLog(base: string, name: string): Promise<readonly string[]> {
  const texts: string[] = []
  const conversation = `link:${name}`
  for (let after = 0; ;) {
    const path = `/v1/conversations/${encodeURIComponent(conversation)}/messages?after=${after}&limit=500`
    const headers = { authorization: `Bearer ${tokenOf(name)}` }
    // A store that is away for a moment says so, and is asked again.
    const response = await until(async () => {
      const answer = await fetch(`${base}${path}`, { headers })
      return answer.status === 503 ? undefined : answer
    }, 60_000)
    if (!response.ok) throw new Error(`${conversation}: ${response.status} ${await response.text()}`)
    const page = (await response.json()) as {
      readonly messages: readonly {
        readonly direction: string
        readonly parts?: readonly { readonly text: string }[]
      }[]
      readonly next: number
    } // DESIGN §16, the log
    if (page.messages.length === 0) return texts
    for (const { direction, parts } of page.messages)
      if (direction === 'inbound') texts.push(parts?.[0]?.text ?? '')
    after = page.next
  }
}

/** Against what was to come, each once, in this order. */
export function compare(came: readonly string[], expected: readonly string[]): Count {
  const place = new Map(expected.map((text, index) => [text, index]))
  const seen = new Set<string>()
  let doubled = 0
  let disordered = 0
  let highest = -1
  for (const text of came) {
    if (seen.has(text)) {
      doubled++
      continue
    }
    seen.add(text)
    const at = place.get(text) ?? -1
    if (at < highest) disordered++
    highest = Math.max(highest, at)
  }
  return { lost: expected.filter((text) => !seen.has(text)).length, doubled, disordered }
}

function total(counts: readonly Count[]): Count {
  return {
    lost: sum(counts, ({ lost }) => lost),
    doubled: sum(counts, ({ doubled }) => doubled),
    disordered: sum(counts, ({ disordered }) => disordered),
  }
}

function sum<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((before, value) => before + of(value), 0)
}
