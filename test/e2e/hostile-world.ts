// A real gateway before counted bots and systems, requests as raw bytes, and what a refusal has to look like.
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect } from 'vitest'
import { errorTable } from '../../core/api.ts'
import { startBusiness, startKitBusiness } from '../interop/rest-business.ts'
import type { Business } from '../interop/rest-business.ts'
import { startBot, textOf } from '../support/bot.ts'
import type { Bot } from '../support/bot.ts'
import { startGateway, until } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { stopwatch } from '../support/processor.ts'

export const BODY_LIMIT = 64 * 1024
export const CRM = '/services/CrmService.asmx'
export const ERP = '/erp/service'
export const ADMIN = { authorization: 'Bearer an-admin-token-of-enough-characters' }
export const JSON_TYPE = { 'content-type': 'application/json' }
export const CLOUD_EVENT = { 'content-type': 'application/cloudevents+json' }
export const XML_TYPE = { 'content-type': 'text/xml; charset=utf-8' }

const fixtures = join(import.meta.dirname, '../fixtures')

export interface World extends AsyncDisposable {
  readonly gateway: GatewayProcess
  readonly bot: Bot
  readonly business: Business
  readonly tickets: Business
}

/** A bot that takes messages and answers later, a system that echoes, and the kit's service behind `/orders`. */
export async function startWorld(): Promise<World> {
  const bot = await startBot(() => ({ status: 202 }))
  const business = await startBusiness(({ text }) => ({ json: text === '' ? 'null' : text }))
  const tickets = await startKitBusiness()
  const gateway = await startGateway({
    files: {
      'crm.wsdl': await readFile(join(import.meta.dirname, '../../config/crm.wsdl'), 'utf8'),
      'orders.wsdl': await readFile(join(fixtures, 'soap/wsdl/orders.wsdl'), 'utf8'),
    },
    yaml: `
http: { bodyLimit: 64kb, headerTimeout: 1s, requestTimeout: 2s }
admin: { token: an-admin-token-of-enough-characters }
channels:
  web: { adapter: rest }
  orders: { adapter: soap, path: /orders, wsdl: ./orders.wsdl }
  crm:
    adapter: soap
    path: ${CRM}
    wsdl: ./crm.wsdl
    operations:
      GetOrder: { kind: request }
      SubmitTicket: { kind: message, sender: customerId, text: description, externalId: requestId }
      NotifyShipping: { kind: event, type: "'order.shipped'", sender: customerId }
  erp:
    adapter: webservice
    path: ${ERP}
    charset: gb18030
    operations:
      GetOrder: { kind: request }
      SubmitTicket: { kind: message, sender: customerId, text: description, externalId: requestId }
backends:
  business: { adapter: rest, url: "${business.url}" }
  tickets: { adapter: rest, url: "${tickets.url}" }
agents: { helper: { adapter: webhook, url: "${bot.url}" } }
routes:
  - { when: "channel = 'orders'", backend: tickets }
  - { when: "kind = 'request'", backend: business }
  - { agent: helper }
`,
  })
  return {
    gateway,
    bot,
    business,
    tickets,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]()
      for (const one of [bot, business, tickets]) await one[Symbol.asyncDispose]()
    },
  }
}

export interface Answer {
  /** 0: the connection ended without an answer. */
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
  /** Without those in which there was no processor for it. */
  readonly ms: number
}

export type Headers = Readonly<Record<string, string>>
export interface Sent {
  readonly method: string
  readonly path: string
  readonly headers?: Headers
  readonly body?: string | Uint8Array
}

/** Sends one request, byte for byte what is given, and reads to the gateway's close. */
export function send(
  gateway: GatewayProcess,
  { method, path, headers = {}, body = '' }: Sent,
): Promise<Answer> {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  const framed = bytes.length > 0 || method === 'POST' || method === 'PUT'
  const fields = {
    host: '127.0.0.1',
    connection: 'close',
    ...headers,
    ...(framed && { 'content-length': bytes.length }),
  }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1')
  return sendRaw(gateway, Buffer.concat([head, bytes]))
}

const ANSWER_MS = 30_000

/** Sends bytes on a connection of their own. Resolves when the first answer is whole, or with everything up to the close. */
export function sendRaw(
  { port, pid }: GatewayProcess,
  bytes: Uint8Array | string,
  options: { readonly toClose?: boolean } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const watch = stopwatch(pid)
    let received = Buffer.alloc(0)
    const socket = connect(port, '127.0.0.1')
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Error(`not answered within ${ANSWER_MS} ms; so far: ${received.toString()}`))
    }, ANSWER_MS)
    socket.on('data', (piece) => {
      received = Buffer.concat([received, piece])
      if (options.toClose !== true && isWhole(received)) socket.destroy()
    })
    socket.on('error', () => undefined) // 'close' follows; the gateway may reset what it has refused
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(parse(received, watch()))
    })
    socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  })
}

function isWhole(received: Buffer): boolean {
  const end = received.indexOf('\r\n\r\n')
  const length = /^content-length: (\d+)/imu.exec(
    received.subarray(0, Math.max(0, end)).toString('latin1'),
  )?.[1]
  return length !== undefined && received.length >= end + 4 + Number(length)
}

function parse(bytes: Buffer, ms: number): Answer {
  const end = bytes.indexOf('\r\n\r\n')
  const [first = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n')
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const
    }),
  )
  return { status: Number(first.split(' ')[1] ?? 0), headers, body: bytes.subarray(end + 4).toString(), ms }
}

/** An answer in JSON that says what was wrong (RFC 9457). */
export function expectProblem(answer: Answer, status: number, code: string): void {
  expect({ status: answer.status, body: answer.body }).toMatchObject({ status })
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  const problem: unknown = JSON.parse(answer.body)
  expect(problem).toMatchObject({
    status,
    code,
    title: expect.any(String),
    detail: expect.stringMatching(/\S/u),
  })
  expect(Object.keys(errorTable)).toContain(code)
}

/** Before the envelope is read: a status and one text line. */
export function expectLine(answer: Answer, status: number): void {
  expect({ status: answer.status, body: answer.body }).toMatchObject({ status })
  expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8')
  expect(answer.body).toMatch(/^\S[^\n]*\n$/u)
}

const FAULTS = {
  'http://schemas.xmlsoap.org/soap/envelope/': /<faultcode>s:(\w+)<\/faultcode><faultstring>[^<]+</u,
  'http://www.w3.org/2003/05/soap-envelope':
    /<s:Code><s:Value>s:(\w+)<\/s:Value>.*<s:Text xml:lang="en">[^<]+</su,
}

/** The fault's code and SOAP version; undefined: no fault. */
export function faultOf({
  body,
}: Answer): { readonly code: string; readonly version: '1.1' | '1.2' } | undefined {
  for (const [namespace, pattern] of Object.entries(FAULTS)) {
    const code = body.includes(namespace) ? pattern.exec(body)?.[1] : undefined
    if (code !== undefined) return { code, version: namespace.includes('2003') ? '1.2' : '1.1' }
  }
  return undefined
}

/** The caller's mistake, in his SOAP version: Client with 500, in 1.2 Sender with 400. */
export function expectFault(answer: Answer, version: '1.1' | '1.2' = '1.1'): void {
  const wanted = version === '1.1' ? { status: 500, code: 'Client' } : { status: 400, code: 'Sender' }
  expect({ status: answer.status, ...faultOf(answer), body: answer.body }).toMatchObject({
    ...wanted,
    version,
  })
  const media = version === '1.1' ? 'text/xml; charset=utf-8' : 'application/soap+xml; charset=utf-8'
  expect(answer.headers.get('content-type')).toBe(media)
}

/** Nothing of the inside is in an answer: no stack, no path, no address of a system behind, no library's name. */
export function expectNoLeak({ gateway, bot, business, tickets }: World, { body }: Answer): void {
  const inside = [gateway.directory, join(import.meta.dirname, '../..'), process.execPath]
  const ports = [bot, business, tickets].map(({ url }) => new URL(url).host)
  for (const word of [...inside, ...ports]) expect(body).not.toContain(word)
  expect(body).not.toMatch(
    /^\s+at .+[:(]|node_modules|node:internal|file:\/\/|\.[cm]?[jt]s:\d|\b(?:Type|Range|Syntax)Error\b/mu,
  )
  expect(body).not.toMatch(/sqlite|saxes|undici|zod|jsonata|opossum|\[object |undefined is not/iu)
}

export interface State {
  readonly ledger: { readonly accepted: number; readonly waiting: number }
  readonly asked: number
  readonly called: number
}

/** What is stored and what was called outside: the same before and after whatever was refused. */
export async function stateOf({ gateway, bot, business, tickets }: World): Promise<State> {
  const { body } = await send(gateway, { method: 'GET', path: '/admin/v1/ledger', headers: ADMIN })
  const called = business.called.length + tickets.called.length
  return { ledger: JSON.parse(body), asked: bot.asked.length, called }
}

/** Nothing was stored and nobody was called since `before`; it still serves, is ready, and has found no mistake of its own. */
export async function expectUntouched(world: World, before: State): Promise<void> {
  expect(await stateOf(world)).toEqual(before)
  await expectAlive(world)
}

/** It still serves, is ready, and has found no mistake of its own. */
export async function expectAlive({ gateway }: World): Promise<void> {
  const ready = await send(gateway, { method: 'GET', path: '/readyz' })
  expect({ status: ready.status, body: JSON.parse(ready.body) }).toEqual({
    status: 200,
    body: { ready: true, reasons: [] },
  })
  const errors = gateway
    .log()
    .split('\n')
    .filter((line) => line.includes('"level":"error"'))
  expect(errors).toEqual([])
}

/** A message that the bot has taken: where its later answer goes, and the token that needs. */
export async function takenMessage(
  world: World,
  sender: string,
): Promise<Sent & { readonly headers: Headers }> {
  const body = JSON.stringify({ sender: { id: sender }, text: `later, ${sender}` })
  await send(world.gateway, { method: 'POST', path: '/v1/messages', headers: JSON_TYPE, body })
  const { event } = await until(() => world.bot.asked.find((asked) => textOf(asked) === `later, ${sender}`))
  await until(async () => ((await stateOf(world)).ledger.waiting === 0 ? true : undefined))
  return {
    method: 'POST',
    path: new URL(event.callbackurl ?? '').pathname,
    headers: { ...JSON_TYPE, authorization: `Bearer ${event.callbacktoken}` },
  }
}
