// `dragoman demo`: a WeChat conversation without an account. The platform is simulated, the gateway is a real one.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { ended, portOf, spawnGateway } from './demo-gateway.ts'
import { fail } from '../fail.ts'
import { demoAccount, demoCipher, demoConfig } from './demo-account.ts'
import { startSlowBot } from './demo-bot.ts'
import { startSimulator } from './simulator/index.ts'
import type { Pushed, Simulator } from './simulator/index.ts'

const PLUGINS = resolve(dirname(fileURLToPath(import.meta.url)), '../../plugins')
const CUSTOMER = 'oDemoCustomer'
const SLOW_MS = 6000

export interface DemoOptions {
  /** Also let the person at the terminal write; default: if it is one. */
  readonly talk?: boolean
}

export async function demo({ talk = process.stdin.isTTY }: DemoOptions): Promise<void> {
  const closing = new AsyncDisposableStack()
  const interrupted = (): void => void closing.disposeAsync().finally(() => process.exit(130))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupted)
  try {
    const directory = await mkdtemp(join(tmpdir(), 'dragoman-demo-'))
    closing.defer(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }))
    const account = demoAccount()
    const platform = closing.use(await startSimulator({ ...account, cipher: demoCipher(account) }))
    const bot = closing.use(await startSlowBot(SLOW_MS))
    const config = join(directory, 'gateway.yaml')
    await writeFile(config, demoConfig(account, { api: platform.api.base, bot: bot.url, plugins: PLUGINS }), {
      mode: 0o600,
    })
    const gateway = spawnGateway(config, join(directory, 'data'))
    closing.defer(() => ended(gateway))
    platform.url = `http://127.0.0.1:${await portOf(gateway)}/wechat`
    platform.api.onDelivered = ({ text }) =>
      console.log(`         < ${text}\n           (by the customer-service API)`)
    await conversation(platform)
    if (talk) await talking(platform)
  } catch (error) {
    fail(error)
  } finally {
    await closing.disposeAsync()
  }
}

async function conversation(platform: Simulator): Promise<void> {
  console.log(
    `A WeChat official account in safe mode: the platform is simulated, the gateway is real and has a store of its own.
The platform encrypts and signs each push, hangs up after 5 s, and asks up to three times.\n`,
  )
  await say(platform, 'Where is my order 000777?')
  await say(platform, '我的订单 000779 到哪里了？')
  console.log('The next one is pushed twice with the same MsgId, as when an answer is lost on the way:\n')
  const msgId = '23456789012345678'
  await say(platform, 'And 000778?', msgId)
  await say(platform, 'And 000778?', msgId)
  console.log('It was stored once and answered alike. Now one that takes longer than the platform waits:\n')
  await say(platform, `slowly, please`)
  while (platform.api.delivered.length === 0) await pause(100)
  console.log(`
That is all. To connect an account of your own, put its appId, token, encodingAESKey and secret into the config:
adapters/wechat/README.md`)
}

/** What the person at the terminal writes, until he ends it. */
async function talking(platform: Simulator): Promise<void> {
  console.log('\nWrite something yourself ("slowly" takes 6 s), or end with Ctrl-D.\n')
  const lines = createInterface({ input: process.stdin, output: process.stdout, prompt: 'you      > ' })
  lines.prompt()
  for await (const line of lines) {
    if (line.trim() !== '') show(await platform.say(CUSTOMER, line))
    lines.prompt()
  }
  console.log()
}

async function say(platform: Simulator, text: string, msgId?: string): Promise<void> {
  console.log(`customer > ${text}`)
  show(await platform.say(CUSTOMER, text, msgId === undefined ? {} : { msgId }))
}

function show({ reply, tries, gaveUp }: Pushed): void {
  const [last] = tries.slice(-1)
  const ms = Math.round(last?.ms ?? 0)
  if (gaveUp)
    console.log(
      `           (no answer to ${tries.length} tries: WeChat says that the account is out of order)\n`,
    )
  else if (reply === undefined)
    console.log(`           (taken after ${ms} ms: stored, the answer will follow)\n`)
  else
    console.log(
      `         < ${reply.text}\n           (in the response to the push, encrypted, after ${ms} ms)\n`,
    )
}

function pause(ms: number): Promise<void> {
  return new Promise((again) => setTimeout(again, ms))
}
