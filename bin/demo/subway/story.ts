// `dragoman demo subway`: a ride with a customer who keeps writing, while lines, app and gateway go down and come back.
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ended, portOf, spawnGateway } from '../demo-gateway.ts'
import { fail } from '../../fail.ts'
import { freePort } from '../free-port.ts'
import { startCountingBot } from './bot.ts'
import type { CountingBot } from './bot.ts'
import { openLine } from './line.ts'
import type { Line, Weather } from './line.ts'
import { Phone } from './phone.ts'
import { Screen, counted } from './screen.ts'

type Lines = Readonly<Record<'websocket' | 'mqtt' | 'http', Line>>

interface Stage {
  readonly title: string
  /** The lines: WebSocket, MQTT, HTTP. */
  readonly weather: readonly [Weather, Weather, Weather]
  /** Who is killed when it begins. */
  readonly kill?: 'app' | 'gateway'
  /** Of the whole ride. */
  readonly part: number
}

const stages: readonly Stage[] = [
  { title: 'At the station: all is well.', weather: ['good', 'good', 'good'], part: 4 },
  {
    title: 'The train leaves: WebSocket and HTTP go silent, and nothing closes them.',
    weather: ['dark', 'good', 'dark'],
    part: 10,
  },
  { title: 'In the tunnel: nothing gets through.', weather: ['dark', 'dark', 'dark'], part: 7 },
  {
    title: 'The next station: its Wi-Fi lets nothing but HTTP through.',
    weather: ['cut', 'cut', 'good'],
    part: 9,
  },
  {
    title: 'The phone kills the app; it is opened again.',
    weather: ['cut', 'good', 'good'],
    kill: 'app',
    part: 6,
  },
  {
    title: 'The gateway is killed with -9, and started again.',
    weather: ['good', 'good', 'good'],
    kill: 'gateway',
    part: 9,
  },
]

const EVERY_MS = 400
/** What is still on its way after the ride. */
const ARRIVING_MS = 60_000

/** One ride of about so many seconds. The exit status is 1 where a message was lost, doubled or out of order. */
export async function subway({ seconds }: { readonly seconds: number }): Promise<void> {
  const closing = new AsyncDisposableStack()
  const interrupted = (): void => void closing.disposeAsync().finally(() => process.exit(130))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupted)
  try {
    const directory = await mkdtemp(join(tmpdir(), 'dragoman-subway-'))
    closing.defer(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }))
    if (!(await ride(directory, closing, seconds))) process.exitCode = 1
  } catch (error) {
    fail(error)
  } finally {
    await closing.disposeAsync()
  }
}

async function ride(directory: string, closing: AsyncDisposableStack, seconds: number): Promise<boolean> {
  const bot = closing.use(await startCountingBot())
  const [http, mqtt] = [await freePort(), await freePort()]
  const config = join(directory, 'gateway.yaml')
  await writeFile(config, configOf(mqtt, bot.url))
  const run = (): ChildProcess => spawnGateway(config, join(directory, 'data'), http)
  let gateway = run()
  closing.defer(() => ended(gateway))
  await portOf(gateway)
  const lines: Lines = {
    websocket: closing.use(await openLine(http)),
    mqtt: closing.use(await openLine(mqtt)),
    http: closing.use(await openLine(http)),
  }
  const phone = closing.use(phoneOn(lines, join(directory, 'app.sqlite')))
  phone.open()

  using screen = new Screen(() => ({ ...phone.screen, agent: bot.tally.counts() }))
  screen.say(`A customer writes every ${EVERY_MS / 1000} s and a bot answers, in one conversation over three links.
The gateway, the app, the lines that fail and the SIGKILLs are real. In brackets, both ways: lost/doubled/out of order.`)
  const whole = stages.reduce((sum, { part }) => sum + part, 0)
  for (const { title, weather, kill, part } of stages) {
    const end = performance.now() + (part / whole) * seconds * 1000
    screen.say(title)
    lines.websocket.set(weather[0])
    lines.mqtt.set(weather[1])
    lines.http.set(weather[2])
    if (kill === 'app') {
      await phone.kill()
      phone.open()
    } else if (kill === 'gateway') {
      await ended(gateway, 'SIGKILL')
      gateway = run()
      await portOf(gateway)
    }
    await pause(end - performance.now())
  }
  screen.say('Arrived: nothing more is written; what is on its way comes in.')
  phone.quiet()
  const last = performance.now() + ARRIVING_MS
  do await pause(EVERY_MS)
  while (!phone.isDone && performance.now() < last)
  return judged(phone, bot, screen)
}

function judged(phone: Phone, bot: CountingBot, screen: Screen): boolean {
  const { sent, answers } = phone.screen
  const all = [bot.tally.counts(sent), { ...answers, lost: sent - answers.arrived }] as const
  screen.say(
    `Of ${sent} messages: at the agent ${counted(all[0])}; answers on the screen ${counted(all[1])}.`,
  )
  return all.every(({ lost, doubled, disordered }) => lost === 0 && doubled === 0 && disordered === 0)
}

function phoneOn({ websocket, mqtt, http }: Lines, box: string): Phone {
  return new Phone({
    box,
    url: `http://127.0.0.1:${http.port}`,
    addresses: {
      websocket: `ws://127.0.0.1:${websocket.port}/v1/ws`,
      mqtt: `mqtt://127.0.0.1:${mqtt.port}`,
      http: `http://127.0.0.1:${http.port}/v1/link`,
    },
    everyMs: EVERY_MS,
  })
}

function configOf(mqtt: number, bot: string): string {
  return `http: { host: 127.0.0.1 }
log: { level: error }
channels:
  web: { adapter: rest }
  devices: { adapter: mqtt, port: ${mqtt} }
agents:
  bot: { adapter: webhook, url: "${bot}" }
routes:
  - { agent: bot }
`
}

function pause(ms: number): Promise<void> {
  return new Promise((again) => setTimeout(again, Math.max(0, ms)))
}
