// The bot of the README, run as it stands there.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { GatewayError } from 'dragoman'
import type { Message, Scope } from 'dragoman'
import webhook from '../../../../core/agents/webhook.ts'
import { createFrom } from '../../../support/create-from.ts'

const root = new URL('../../../../', import.meta.url)
const readme = readFileSync(new URL('core/agents/README.md', root), 'utf8')
const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

test('the bot in ten lines has ten, verifies, answers and hands off', async () => {
  const code = /```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
  expect(code.trim().split('\n').length).toBeLessThanOrEqual(11) // the imports stand in two lines
  const bot = spawn(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: root,
    env: { ...process.env, BOT_SECRET: secret, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const [port] = await once(bot.stdout, 'data')
    const url = `http://127.0.0.1:${String(port).trim()}/`
    expect(await say(url, 'hello')).toEqual({ text: 'You said: hello' })
    expect(await say(url, 'a human, please')).toEqual({ handoff: 'asks for a person' })
  } finally {
    bot.kill()
    await once(bot, 'exit')
  }
})

test('every member of the CloudEvent and every status it speaks of stands in the README', () => {
  for (const name of [
    'id',
    'source',
    'type',
    'subject',
    'time',
    'sequence',
    'correlationid',
    'causationid',
    'traceparent',
    'callbackurl',
    'callbacktoken',
    'data',
  ])
    expect(readme).toContain(`\`${name}\``)
  for (const name of ['text', 'parts', 'data', 'metadata', 'fault', 'handoff'])
    expect(readme).toContain(`"${name}":`)
})

async function say(url: string, text: string): Promise<unknown> {
  const message: Message = {
    id: '01938f3c-0000-7000-8000-000000000001',
    kind: 'message',
    type: 'text',
    channel: 'web',
    conversation: 'web:u1',
    direction: 'inbound',
    sequence: 1,
    sender: { id: 'u1', role: 'customer' },
    parts: [{ kind: 'text', text }],
    receivedAt: '2026-01-02T03:04:05.678Z',
    correlationId: '01938f3c-0000-7000-8000-000000000001',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  }
  const unused = (): never => {
    throw new GatewayError('INTERNAL', 'a webhook needs only fetch and the time')
  }
  const log = { debug: unused, info: unused, warn: unused, error: unused }
  const scope: Scope = {
    id: 'helper',
    log,
    now: () => Date.now(),
    metrics: { count: unused, gauge: unused },
    fetch,
    responseLimitBytes: 10_000,
    state: { get: unused, put: unused, compareAndSet: unused, lease: unused },
  }
  const agent = createFrom(webhook.agent, { url, secret }, scope)
  const callback = { url: 'http://127.0.0.1/v1/callbacks/1', token: 't' }
  return agent?.answer(
    message,
    { id: 'web:u1', customer: message.sender, callback },
    AbortSignal.timeout(10_000),
  )
}
