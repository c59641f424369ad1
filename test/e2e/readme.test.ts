// The README works as it stands: its commands, the hints that a start prints, the help of every command.
import { spawn } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/gateway.ts'
import { BIN, blocksOf, dragoman, read, root, run } from './documents.ts'

const readme = read('README.md')

describe('a gateway started as the README says', () => {
  let directory: string
  let base = ''
  let child: ReturnType<typeof spawn>
  const printed: string[] = []
  let ended: Promise<unknown>
  beforeAll(async () => {
    directory = await temporaryDirectory()
    const config = join(root, 'config/gateway.yaml')
    child = spawn(
      process.execPath,
      [BIN, 'start', '--config', config, '--port', '0', '--data', join(directory, 'data')],
      {
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    )
    ended = new Promise((done) => child.once('exit', done))
    // The last hint ends with an empty line, but how many there are is the config's: three channels, three hints.
    await new Promise<void>((done, failed) => {
      child.once('exit', (code) => failed(new Error(`the gateway ended with ${code}`)))
      if (child.stdout === null) return
      createInterface({ input: child.stdout }).on('line', (line) => {
        printed.push(line)
        if (hintsIn(printed).length === 3) done()
      })
    })
    const { http } = JSON.parse(printed[0] ?? '') as { http: number } // the ready line
    base = `http://127.0.0.1:${http}`
  })
  afterAll(async () => {
    child.kill('SIGTERM')
    await ended
    await rm(directory, { recursive: true, force: true, maxRetries: 3 })
  })

  function hintsIn(
    lines: readonly string[],
  ): readonly { readonly channel: string; readonly command: string }[] {
    return lines.flatMap((line, index) =>
      line.startsWith('# ') ? [{ channel: line.slice(2), command: lines[index + 1] ?? '' }] : [],
    )
  }

  /** Runs one curl as it stands, but for the port. Resolves with the status and the body. */
  async function curl(command: string): Promise<{ readonly status: number; readonly body: string }> {
    const there = command.replaceAll('http://127.0.0.1:8080', base)
    const { code, stdout, stderr } = await run('sh', ['-c', `${there.trimEnd()} -w '\n%{http_code}'`])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const at = stdout.lastIndexOf('\n')
    return { status: Number(stdout.slice(at + 1)), body: stdout.slice(0, at) }
  }

  const commands = blocksOf(readme, 'sh')
    .join('')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line.startsWith('curl '))

  test('the first message is answered by the bot, and is in the log', async () => {
    const [say = '', log = ''] = commands
    expect(say).toContain('/v1/messages')
    const said = await curl(say)
    expect(said.status).toBe(200)
    expect(JSON.parse(said.body)).toMatchObject({
      conversation: 'web:ann',
      duplicate: false,
      reply: { parts: [{ text: expect.stringContaining('000777') }] },
    })
    expect(log).toContain('/v1/conversations/web:ann/messages')
    const kept = await curl(log)
    expect(kept.status).toBe(200)
    expect(JSON.parse(kept.body)).toMatchObject({
      messages: [
        { direction: 'inbound', parts: [{ text: 'Where is my order 000777?' }] },
        { direction: 'outbound' },
      ],
    })
  })

  test('the first SOAP call brings zeros, digits and the name back as they are stored', async () => {
    const [, , call = ''] = commands
    expect(call).toContain('SOAPAction')
    const { status, body } = await curl(call)
    expect(status).toBe(200)
    for (const text of ['>000777<', '>1.10<', '>9007199254740993<', '>王小明 &lt;&amp;&gt;<'])
      expect(body).toContain(text)
  })

  test('the same as JSON, and the contracts', async () => {
    const [, , , order = '', wsdl = '', openapi = '', ...more] = commands
    expect(more).toEqual([])
    const asked = await curl(order)
    expect(asked.status).toBe(200)
    expect(JSON.parse(asked.body)).toMatchObject({
      orderNo: '000777',
      id: '9007199254740993',
      total: '1.10',
      customer: '王小明 <&>',
    })
    const description = await curl(wsdl)
    expect(description.status).toBe(200)
    expect(description.body).toContain(`location="${base}/services/CrmService.asmx"`)
    const document = await curl(openapi)
    expect(document.status).toBe(200)
    expect(JSON.parse(document.body)).toMatchObject({ openapi: expect.stringMatching(/^3\.1/u) })
  })

  test('every hint that start prints is one line for sh, and is really answered', async () => {
    const hints = hintsIn(printed)
    expect(hints.map(({ channel }) => channel)).toEqual(['web', 'crm', 'app'])
    const answers = await Promise.all(hints.map(({ command }) => curl(command)))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(answers[0]?.body).toContain('"reply"')
    expect(answers[1]?.body).toContain('GetOrderResponse')
    expect(JSON.parse(answers[2]?.body ?? '')).toMatchObject({
      data: { sendMessage: { conversation: 'app:you', reply: { text: expect.stringContaining('000777') } } },
    })
  })
})

test('the two commands of the README are scripts of package.json', () => {
  const [start = '', all = ''] = blocksOf(readme, 'sh')
  expect([start.trim(), all.trim()]).toEqual(['npm ci && npm start', 'npm ci && npm test'])
  const { scripts, engines } = JSON.parse(read('package.json')) as {
    scripts: Record<string, string>
    engines?: object
  } // as npm has it
  expect(scripts['start']).toBe('node bin/dragoman.ts start')
  expect(scripts['test']).toMatch(/vitest run/u)
  expect(engines).toBeUndefined() // any Node from 20 on starts it: Node 24 comes along
})

describe('the command line', () => {
  const [, section = ''] = /^## Commands\n([\s\S]*?)^## /mu.exec(readme) ?? []
  const listed = [...section.matchAll(/^\| `([a-z]+)[^`]*` \| (.*) \|$/gmu)].map(
    ([, name = '', row = '']) => ({ name, row }),
  )

  test('the README lists every command that there is', async () => {
    const { code, stdout } = await dragoman(['--help'])
    expect(code).toBe(0)
    const there = [...stdout.matchAll(/^ {2}([a-z]+)(?: \[options\])?(?: [<[]\w+[>\]])? {2,}\S/gmu)].map(
      ([, name]) => name,
    )
    expect(new Set(listed.map(({ name }) => name))).toEqual(new Set(there.filter((name) => name !== 'help')))
  })

  test.each(listed)('$name --help explains it and its options', async ({ name, row }) => {
    const { code, stdout, stderr } = await dragoman([name, '--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(new RegExp(`^Usage: dragoman ${name} `, 'u'))
    for (const [option] of row.matchAll(/--[a-z-]+/gu)) expect(stdout).toContain(option)
    // Every option of the usage has its explanation beside it.
    for (const [line] of stdout.matchAll(/^ {2}(?:-\w, )?--[a-z-]+.*$/gmu))
      expect(line).toMatch(/ {2,}\S+ \S+/u)
  })

  test.each([
    [['nope'], /unknown command 'nope'/u],
    [['start', '--nope'], /unknown option '--nope'/u],
    [['start', '--port', '99999'], /a port is a number from 0 to 65535/u],
    [['check', '--config', '/nope.yaml'], /^\/nope\.yaml:1:1: .*no such file/u],
    [['trace'], /missing required argument 'id'/u],
    [['send', 'hi', '--url', 'nonsense'], /--url "nonsense" is no address/u],
  ])('%j ends with 1 and says why, without a stack', async (args, why) => {
    const { code, stderr } = await dragoman(args)
    expect(code).toBe(1)
    expect(stderr).toMatch(why)
    expect(stderr).not.toMatch(/^\s+at /mu)
  })
})
