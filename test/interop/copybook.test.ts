// The copybook example in a running gateway, between programs of other people's making: GnuCOBOL behind it, GnuCOBOL's files and Python's EBCDIC before it.
import { execFile, execFileSync, spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, readdir, rename, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { freePort } from '../../bin/demo/free-port.ts'
import { startGateway } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { post } from '../support/rest.ts'

const fixtures = join(import.meta.dirname, '../fixtures/copybook')
const example = join(import.meta.dirname, '../../plugins/_examples/copybook')
const copybook = (name: string): Promise<string> => readFile(join(fixtures, name), 'utf8')

function hasCobol(): boolean {
  try {
    execFileSync('cobc', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
const run = promisify(execFile)
const skip = !hasCobol() && process.env['CI'] !== 'true'

const open = new AsyncDisposableStack()
let gateway: GatewayProcess
let root: string
let mainframePort: number

/** The program answers one record after the other on its standard streams: each connection gets a run of it. */
async function policySystem(program: string): Promise<Server> {
  const server = createServer((socket) => {
    const cobol = spawn('sh', ['-c', 'cat | "$0" | cat', program])
    socket.on('error', () => undefined)
    cobol.stdin.on('error', () => undefined)
    socket.pipe(cobol.stdin)
    cobol.stdout.pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

async function compiled(name: string): Promise<string> {
  const program = join(root, name)
  await run('cobc', ['-x', '-std=default', '-I', fixtures, '-o', program, join(fixtures, `${name}.cbl`)])
  return program
}

beforeAll(async () => {
  if (skip) return
  root = await mkdtemp(join(tmpdir(), 'cobol-'))
  open.defer(() => rm(root, { recursive: true, force: true, maxRetries: 3 }))
  const system = await policySystem(await compiled('policy'))
  open.defer(() => void system.close())
  const { port } = system.address() as AddressInfo // it listens on TCP
  mainframePort = await freePort()
  const directory = join(root, 'gateway')
  await mkdir(join(root, 'in'))
  await cp(example, join(directory, 'plugins/copybook'), { recursive: true })
  const views = {
    'MOTOR-PART': { field: 'POLICY-KIND', is: ['MO'] },
    'HOUSE-PART': { field: 'POLICY-KIND', is: ['HO', 'FL'] },
  }
  const copybooks = {
    ask: await copybook('policy-request.cpy'),
    reply: { text: await copybook('policy-reply.cpy'), views },
  }
  const ok = ['00']
  const fault = { field: 'RESULT-CODE', ok, message: 'RESULT-TEXT' }
  const config = {
    channels: {
      web: { adapter: 'rest' },
      mainframe: {
        adapter: 'copybook',
        charset: 'cp037',
        framing: { by: 'prefix', bytes: 4 },
        copybooks,
        records: [
          {
            operation: 'GetPolicy',
            copybook: 'ask',
            answer: {
              copybook: 'reply',
              refused: { 'RESULT-CODE': '99' },
              code: 'RESULT-CODE',
              message: 'RESULT-TEXT',
            },
          },
        ],
        listen: { port: mainframePort },
      },
      claims: {
        adapter: 'copybook',
        charset: 'iso-8859-1',
        names: 'camel',
        copybooks: { claim: await copybook('claims.cpy') },
        records: [{ operation: 'NewClaim', copybook: 'claim' }],
        folder: { path: join(root, 'in'), everyMs: 100 },
        operations: {
          NewClaim: { kind: 'event', type: "'claim.new'", conversation: "'the-claims'", sender: "'claims'" },
        },
      },
    },
    backends: {
      policies: {
        adapter: 'copybook',
        host: '127.0.0.1',
        port,
        charset: 'iso-8859-1',
        framing: { by: 'fixed' },
        copybooks,
        operations: {
          GetPolicy: { safe: true, request: 'ask', reply: 'reply', set: { 'FUNCTION-CODE': 'INQ' }, fault },
          Pay: { request: 'ask', reply: 'reply', set: { 'FUNCTION-CODE': 'PAY' }, key: 'REQUEST-ID', fault },
        },
      },
    },
    agents: { nobody: { adapter: 'webhook', url: 'http://127.0.0.1:9/' } },
    routes: [{ when: "kind = 'request'", backend: 'policies' }, { agent: 'nobody' }],
    plugins: './plugins',
  }
  gateway = await startGateway({ yaml: JSON.stringify(config), directory })
  open.use(gateway)
})
afterAll(() => open.disposeAsync())

const ask = async (operation: string, params: unknown) => {
  const { status, body } = await post<unknown>(`${gateway.base}/v1/requests/${operation}`, params)
  return { status, body }
}

describe.skipIf(skip)(`the copybook example${skip ? ' (needs the Debian package gnucobol3)' : ''}`, () => {
  test('a REST request is answered by a COBOL program: packed, zoned, binary, tables, REDEFINES, to the cent', async () => {
    expect(await ask('GetPolicy', { 'POLICY-NO': '777' })).toEqual({
      status: 200,
      body: {
        'RESULT-CODE': '00',
        'RESULT-TEXT': '',
        'REPLY-REQUEST-ID': '',
        'REPLY-POLICY-NO': '0000000777',
        HOLDER: 'ANN <&> MEYER',
        'POLICY-KIND': 'MO',
        'MOTOR-PART': { PLATE: 'B-XY 123', CUBIC: 1600, MILEAGE: 123_456_789 },
        PREMIUM: '-1234.50',
        'PREMIUM-TEXT': '  1,234.50-',
        BALANCE: '-0.05',
        'INSURED-SUM': '-900719925474099.31',
        ADJUSTMENT: '-42',
        'RISK-FACTORS': ['1.10', '0.95', '0.00'],
        'CLAIM-COUNT': '02',
        CLAIMS: [
          { 'CLAIM-NO': '00000001', PAID: '300.10', 'OPENED-ON': '20240229' },
          { 'CLAIM-NO': '12345678', PAID: '-7.99', 'OPENED-ON': '00000000' },
        ],
      },
    })
  })

  test('what we write COBOL reckons with: packed, zoned and binary, with their signs', async () => {
    const params = { 'POLICY-NO': '778', PAYMENT: '100.25', CORRECTION: '-0.75', INSTALMENTS: -3 }
    const { body } = await ask('Pay', params)
    expect(body).toMatchObject({
      'HOUSE-PART': { 'AREA-SQM': '120.75', FLOORS: '03' },
      BALANCE: '1234466.89', // 1234567.89 - 100.25 - 0.75
      PREMIUM: '-300.75', // 100.25 × -3
      'REPLY-REQUEST-ID': expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
    })
  })

  test('its own "no" is a business fault; what does not fit the record is the caller’s mistake', async () => {
    const fault = await ask('GetPolicy', { 'POLICY-NO': '779' })
    expect(fault).toMatchObject({
      status: 422,
      body: { code: '04', detail: { 'REPLY-POLICY-NO': '0000000779' } },
    })
    expect(JSON.stringify(fault.body)).toContain('THERE IS NO POLICY 0000000779')
    const wrong = await ask('GetPolicy', { 'POLICY-NO': '12345678901' })
    expect(wrong.status).toBe(400)
    expect(JSON.stringify(wrong.body)).toContain('POLICY-NO')
  })

  test('many at once: each gets its own policy', async () => {
    const wanted = Array.from({ length: 60 }, (_none, index) => (index % 2 === 0 ? '777' : '778'))
    const answers = await Promise.all(
      wanted.map((policyNo) => ask('GetPolicy', { 'POLICY-NO': policyNo, 'REQUEST-ID': `of ${policyNo}` })),
    )
    for (const [index, { body }] of answers.entries())
      expect(body).toMatchObject({
        'REPLY-POLICY-NO': `0000000${wanted[index]}`,
        'REPLY-REQUEST-ID': `of ${wanted[index]}`,
      })
  })

  test('EBCDIC in, by TCP, to a COBOL program that speaks ASCII, and back: Python reads every field', async () => {
    const python = async (policyNo: string): Promise<unknown> => {
      const { stdout } = await run('python3', [
        join(fixtures, 'mainframe.py'),
        String(mainframePort),
        policyNo,
      ])
      return JSON.parse(stdout)
    }
    expect(await python('777')).toEqual({
      result: '00',
      text: '',
      request: 'python-777',
      policy: '0000000777',
      holder: 'ANN <&> MEYER',
      kind: 'MO',
      plate: 'B-XY 123',
      cubic: 1600,
      mileage: 123_456_789,
      premium: '-00000123450',
      premiumText: '  1,234.50-',
      balance: '-000000005',
      sum: '-90071992547409931',
      adjustment: '-00042',
      factors: '110095000',
      claims: [
        ['00000001', '000030010', '20240229'],
        ['12345678', '-000000799', '00000000'],
      ],
    })
    expect(await python('779')).toMatchObject({ result: '04', text: 'THERE IS NO POLICY 0000000779' })
  })

  test('a file of a COBOL job: one event for each record, once, also when the file comes again', async () => {
    const program = await compiled('claims')
    const done = (): Promise<readonly string[]> => readdir(join(root, 'in/done')).catch(() => [])
    const before = (await done()).length
    for (const more of [1, 2]) {
      await run(program, [join(root, 'claims.new')])
      await rename(join(root, 'claims.new'), join(root, 'in/20240229.dat'))
      await expect.poll(done, { timeout: 30_000, interval: 50 }).toHaveLength(before + more)
    }
    const response = await fetch(`${gateway.base}/v1/conversations/the-claims/messages?after=0`)
    const { messages } = (await response.json()) as {
      messages: { type: string; externalId: string; data: unknown }[]
    } // a log page
    expect(messages.filter(({ type }) => type === 'claim.new')).toMatchObject([
      {
        externalId: '20240229.dat:0',
        data: {
          claimId: '00000001',
          claimPolicy: '0000000777',
          claimAmount: '300.10',
          claimReserve: '-0.01',
          claimDays: -7,
          claimText: 'BROKEN WINDOW',
        },
      },
      {
        externalId: '20240229.dat:52',
        data: { claimId: '00000002', claimAmount: '-100.03', claimReserve: '12345.67' },
      },
      {
        externalId: '20240229.dat:104',
        data: { claimId: '00000003', claimAmount: '0.00', claimDays: 0, claimText: '' },
      },
    ])
  })
})
