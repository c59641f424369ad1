// DESIGN §9: `dragoman new adapter NAME` asks what was not said, where somebody is there to answer: at a terminal, made by script(1).
import { spawn } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/gateway.ts'

const BIN = resolve(import.meta.dirname, '../../bin/dragoman.ts')
const QUESTION =
  'Does it face callers (channel), a business system (backend), or does it answer (agent)? [backend]'
let directory: string

beforeAll(async () => {
  directory = await temporaryDirectory()
})
afterAll(async () => rm(directory, { recursive: true, force: true, maxRetries: 3 }))

interface Said {
  readonly status: number | null
  readonly screen: string
}

/** Types the answer when the question stands on the screen. */
function atTerminal(name: string, answer: string, ...flags: readonly string[]): Promise<Said> {
  const line = [process.execPath, BIN, 'new', 'adapter', name, '--plugins', directory, ...flags].join(' ')
  const child = spawn('script', ['--quiet', '--return', '--command', line, '/dev/null'], {
    env: { ...process.env, TERM: 'dumb' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let screen = ''
  let isAnswered = false
  child.stdout.on('data', (text) => {
    screen += String(text)
    if (isAnswered || !screen.includes('? [backend]')) return
    isAnswered = true
    child.stdin.write(answer)
  })
  return new Promise((done) => child.once('close', (status) => done({ status, screen })))
}

test.each([
  ['\r', 'backend'],
  ['channel\r', 'channel'],
  ['A\r', 'agent'],
])('asked at a terminal, %j makes one of the role %s', async (answer, role) => {
  const name = `asked-${role}`
  const { status, screen } = await atTerminal(name, answer)
  expect(screen).toContain(QUESTION)
  expect(screen).toContain(`${name}/index.ts`)
  expect(status).toBe(0)
  expect(await readFile(join(directory, name, 'index.ts'), 'utf8')).toMatch(
    new RegExp(`^ {2}${role}: {`, 'm'),
  )
})

test('an answer that is none is refused in words; nothing is written', async () => {
  const { status, screen } = await atTerminal('wrong', 'server\r')
  expect(status).toBe(1)
  expect(screen).toContain('dragoman: "server" is none of channel, backend, agent')
  await expect(readFile(join(directory, 'wrong', 'index.ts'))).rejects.toThrow('ENOENT')
})

test.each([
  ['Ctrl-C', '\u0003'],
  ['Ctrl-D', '\u0004'],
])('who leaves by %s has left: no stack, nothing is written, the status of an interrupt', async (_, key) => {
  const { status, screen } = await atTerminal('left', key)
  expect(status).toBe(130)
  expect(screen).not.toMatch(/ {4}at |Error|Warning/)
  await expect(readFile(join(directory, 'left', 'index.ts'))).rejects.toThrow('ENOENT')
})

test('what was said is not asked', async () => {
  const { status, screen } = await atTerminal('said', '', '--agent')
  expect(status).toBe(0)
  expect(screen).not.toContain('?')
  expect(await readFile(join(directory, 'said', 'index.ts'), 'utf8')).toMatch(/^ {2}agent: {/m)
})
