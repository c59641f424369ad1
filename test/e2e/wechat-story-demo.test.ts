// `dragoman demo`: what a newcomer without an account sees.
import { spawn } from 'node:child_process'
import { expect, test } from 'vitest'
import { BIN } from './documents.ts'

test('shows a conversation in order and cleans up after itself', async () => {
  const child = spawn(process.execPath, [BIN, 'demo'], { stdio: ['ignore', 'pipe', 'pipe'] })
  let [out, error] = ['', '']
  child.stdout.on('data', (piece) => (out += String(piece)))
  child.stderr.on('data', (piece) => (error += String(piece)))
  const status = await new Promise((ended) => child.once('close', ended))
  expect({ status, error }).toEqual({ status: 0, error: '' })
  const said = [...out.matchAll(/^(?:customer >| {9}<) (.*)$/gmu)].map(([, text]) => text)
  expect(said).toEqual([
    'Where is my order 000777?',
    expect.stringContaining('000777 has been shipped'),
    '我的订单 000779 到哪里了？',
    expect.stringContaining('000779 已送达'),
    'And 000778?',
    expect.stringContaining('000778 is being prepared'),
    'And 000778?',
    expect.stringContaining('000778 is being prepared'),
    'slowly, please',
    expect.stringContaining('6 seconds'),
  ])
  expect(out).toMatch(/taken after 4[45]\d\d ms: stored, the answer will follow/u)
  expect(out).toMatch(/6 seconds.*\n.*by the customer-service API/u)
})

test.each([[['demo']], [['demo', 'subway']]])(
  'where no folder can be made %j says so in one line',
  async (words) => {
    const child = spawn(process.execPath, [BIN, ...words], { env: { ...process.env, TMPDIR: '/nowhere' } })
    let error = ''
    child.stderr.on('data', (piece) => (error += String(piece)))
    expect(await new Promise((ended) => child.once('close', ended))).toBe(1)
    expect(error).toMatch(/^dragoman: ENOENT: .*'\/nowhere\/dragoman-.*'\n$/u)
  },
)
