// The platform's API as a stub with its limits and error codes: tokens, customer-service messages, media, users, 微信客服.
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ApiOptions {
  readonly appId: string
  readonly secret: string
  /** How long a token lives. */
  readonly tokenSeconds?: number
}

/** A customer-service message that reached a customer. */
export interface Delivered {
  readonly to: string
  readonly type: string
  readonly text: string
  readonly body: Json
}
export interface Asked {
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly body: Json
}
type Json = Readonly<Record<string, unknown>>

/** What happens to the next call of a path instead of its answer. */
export interface Fault {
  readonly errcode?: number
  readonly errmsg?: string
  readonly status?: number
  /** It is carried out, but the answer never comes: the line is cut. */
  readonly cutAfter?: boolean
  /** The line is cut before anything is done. */
  readonly cutBefore?: boolean
  readonly delayMs?: number
}

export interface PlatformApi extends AsyncDisposable {
  readonly base: string
  /** Every call, in order. */
  readonly asked: readonly Asked[]
  readonly delivered: readonly Delivered[]
  /** Of 微信客服, oldest first. */
  readonly kfItems: Json[]
  /** `next_cursor`s up to this one are not known any more. */
  forgetCursors(): void
  /** The customer did something: his quota is full again. */
  contact(openId: string, messages?: number, ms?: number): void
  fail(path: string, ...faults: readonly Fault[]): void
  /** The current token is not taken any more. */
  expireToken(): void
  /** Called with each message that reaches a customer. */
  onDelivered: (delivered: Delivered) => void
}

const TEXT_BYTES = 2048
const HOURS_48 = 48 * 3_600_000

/** Listens on any free port of this machine. */
export async function startPlatformApi(options: ApiOptions): Promise<PlatformApi> {
  const asked: Asked[] = []
  const delivered: Delivered[] = []
  const kfItems: Json[] = []
  const media = new Map<string, { readonly bytes: Buffer; readonly type: string }>()
  const windows = new Map<string, { left: number; until: number }>()
  const faults = new Map<string, Fault[]>()
  const sentIds = new Set<string>()
  let forgotten = 0
  let token = ''
  let tokenUntil = 0

  function currentToken(): { access_token: string; expires_in: number } {
    const lifeMs = (options.tokenSeconds ?? 7200) * 1000
    // stable_token: the same one again, and the next one in its last five minutes.
    if (Date.now() > tokenUntil - Math.min(300_000, lifeMs / 10)) {
      token = `token-${randomUUID()}`
      tokenUntil = Date.now() + lifeMs
    }
    return { access_token: token, expires_in: Math.round((tokenUntil - Date.now()) / 1000) }
  }

  /** Takes one of the customer's quota. The code it fails with, else 0. */
  function spend(to: string, closed: number, used: number): number {
    const window = windows.get(to)
    if (window === undefined || window.until < Date.now()) return closed
    if (window.left <= 0) return used
    window.left -= 1
    return 0
  }

  function deliver(body: Json): void {
    const type = String(body['msgtype'])
    const content = body[type] as Json | undefined // checked by the caller
    const one = { to: String(body['touser']), type, text: textOf(content?.['content']), body }
    delivered.push(one)
    api.onDelivered(one)
  }

  function problemOf(body: Json): number {
    const type = body['msgtype']
    if (typeof body['touser'] !== 'string') return 40_003
    if (typeof type !== 'string' || typeof body[type] !== 'object' || body[type] === null) return 40_008
    const { content, media_id: mediaId } = body[type] as Json // an object, as just seen
    if (type === 'text' && content === '') return 44_004
    if (typeof content === 'string' && Buffer.byteLength(content) > TEXT_BYTES) return 45_002
    if (typeof mediaId === 'string' && !media.has(mediaId)) return 40_007
    return 0
  }

  function send(body: Json): Json {
    const code = problemOf(body) || spend(String(body['touser']), 45_015, 45_047)
    if (code !== 0) return error(code)
    deliver(body)
    return ok
  }

  /** The same msgid again is answered alike and sent once. */
  function kfSend(body: Json): Json {
    const { msgid, open_kfid: openKfId } = body
    if (typeof openKfId !== 'string' || openKfId === '') return error(95_000)
    if (typeof msgid === 'string' && !/^[0-9a-zA-Z_-]{0,32}$/u.test(msgid)) return error(40_058)
    if (typeof msgid === 'string' && sentIds.has(msgid)) return { ...ok, msgid }
    const code = problemOf(body) || spend(String(body['touser']), 95_002, 95_001)
    if (code !== 0) return error(code)
    if (typeof msgid === 'string') sentIds.add(msgid)
    deliver(body)
    return { ...ok, msgid: msgid ?? randomUUID() }
  }

  function sync(body: Json): Json {
    const { cursor, limit, open_kfid: openKfId } = body
    const from = cursor === undefined ? 0 : Number(/^cursor-(\d+)$/u.exec(textOf(cursor))?.[1] ?? Number.NaN)
    if (Number.isNaN(from) || (cursor !== undefined && from <= forgotten))
      return { errcode: 40_058, errmsg: 'invalid cursor, rid: 1' }
    const size = Math.min(Number(limit ?? 1000), 1000)
    const page = kfItems.slice(from, from + size)
    const next = from + page.length
    return {
      ...ok,
      next_cursor: `cursor-${next}`,
      has_more: next < kfItems.length ? 1 : 0,
      msg_list: page.filter((item) => openKfId === undefined || item['open_kfid'] === openKfId),
    }
  }

  function upload(query: URLSearchParams, bytes: Buffer): Json {
    const content = fileIn(bytes)
    if (content === undefined) return error(41_005)
    const type = query.get('type') ?? ''
    const id = `media-${randomUUID()}`
    media.set(id, { bytes: content, type })
    return { type, media_id: id, created_at: Math.floor(Date.now() / 1000) }
  }

  /** A third-party platform: its own token for its ticket, an account's token for the code or the refresh token it was given. */
  function componentAnswer(path: string, query: URLSearchParams, body: Json): Json {
    const own = `component-${options.appId}`
    if (path === '/cgi-bin/component/api_component_token') {
      if (body['component_appsecret'] !== options.secret) return error(40_125)
      return textOf(body['component_verify_ticket']).startsWith('ticket@@@')
        ? { component_access_token: own, expires_in: 7200 }
        : error(61_006)
    }
    if (query.get('component_access_token') !== own) return error(40_001)
    const { access_token: accessToken, expires_in: expiresIn } = currentToken()
    const authorizer = {
      authorizer_access_token: accessToken,
      authorizer_refresh_token: 'refresh-1',
      expires_in: expiresIn,
    }
    if (path === '/cgi-bin/component/api_query_auth') return { authorization_info: authorizer }
    if (path !== '/cgi-bin/component/api_authorizer_token') return error(40_066)
    return body['authorizer_refresh_token'] === 'refresh-1' ? authorizer : error(61_023)
  }

  /** Once for each message. */
  function botAnswer(query: URLSearchParams, body: Json): Json {
    const code = query.get('response_code') ?? ''
    if (code === '' || sentIds.has(code)) return error(40_058)
    sentIds.add(code)
    deliver({ touser: code, ...body })
    return ok
  }

  function answer(
    path: string,
    query: URLSearchParams,
    { body, bytes }: { body: Json; bytes: Buffer },
  ): Json {
    if (path === '/cgi-bin/stable_token') {
      const isRight = body['appid'] === options.appId && body['secret'] === options.secret
      return isRight ? currentToken() : error(body['appid'] === options.appId ? 40_125 : 40_013)
    }
    if (path === '/cgi-bin/gettoken') {
      const isRight = query.get('corpid') === options.appId && query.get('corpsecret') === options.secret
      return isRight ? { ...ok, ...currentToken() } : error(40_001)
    }
    if (path.startsWith('/cgi-bin/component/')) return componentAnswer(path, query, body)
    // The address that came with a bot's message is its own credential.
    if (path === '/cgi-bin/aibot/response') return botAnswer(query, body)
    if (token === '' || query.get('access_token') !== token) return error(40_001)
    if (Date.now() > tokenUntil) return error(42_001)
    switch (path) {
      case '/cgi-bin/message/custom/send':
        return send(body)
      case '/cgi-bin/kf/send_msg':
        return kfSend(body)
      case '/cgi-bin/kf/sync_msg':
        return sync(body)
      case '/cgi-bin/media/upload':
        return upload(query, bytes)
      case '/cgi-bin/message/send': {
        const code = problemOf(body)
        if (code !== 0) return error(code)
        deliver(body)
        return { ...ok, msgid: randomUUID() }
      }
      case '/cgi-bin/user/info':
        return { subscribe: 1, openid: query.get('openid'), language: 'zh_CN', subscribe_time: 1_434_093_047 }
      default:
        return error(40_066)
    }
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://platform')
    const pieces: Buffer[] = []
    for await (const piece of request) pieces.push(piece as Buffer) // no encoding is set
    const bytes = Buffer.concat(pieces)
    const body = /json/u.test(request.headers['content-type'] ?? '')
      ? (JSON.parse(bytes.toString()) as Json)
      : {}
    asked.push({ path: pathname, query: Object.fromEntries(searchParams), body })
    const fault = faults.get(pathname)?.shift()
    if (fault?.cutBefore === true) return void request.socket.destroy()
    if (fault?.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, fault.delayMs))
    const file = media.get(searchParams.get('media_id') ?? '')
    if (pathname === '/cgi-bin/media/get' && file !== undefined && fault === undefined) {
      response.writeHead(200, {
        'content-type': 'image/jpeg',
        'content-disposition': 'attachment; filename="media.jpg"',
      })
      return void response.end(file.bytes)
    }
    const isRefused = fault?.errcode !== undefined || fault?.status !== undefined
    const answered = isRefused
      ? { errcode: fault.errcode ?? 0, errmsg: fault.errmsg ?? 'fault rid: 1' }
      : answer(pathname, searchParams, { body, bytes })
    if (fault?.cutAfter === true) return void request.socket.destroy()
    response.writeHead(fault?.status ?? 200, { 'content-type': 'application/json; encoding=utf-8' })
    response.end(JSON.stringify(answered))
  }

  const server = createServer((request, response) => {
    handle(request, response).catch(() => request.socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // it listens on TCP
  const api: PlatformApi = {
    base: `http://127.0.0.1:${port}`,
    asked,
    delivered,
    kfItems,
    forgetCursors: () => void (forgotten = kfItems.length),
    contact: (openId, messages = 5, ms = HOURS_48) =>
      void windows.set(openId, { left: messages, until: Date.now() + ms }),
    fail: (path, ...more) => void faults.set(path, [...(faults.get(path) ?? []), ...more]),
    expireToken: () => void ((token = `gone-${randomUUID()}`), (tokenUntil = 0)),
    onDelivered: () => undefined,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return api
}

const ok: Json = { errcode: 0, errmsg: 'ok' }

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function error(errcode: number): Json {
  return { errcode, errmsg: `refused rid: 65f1-${errcode}` }
}

/** The first part of a form (RFC 7578) that is a file: between the blank line and the boundary. */
function fileIn(form: Buffer): Buffer | undefined {
  const text = form.toString('latin1')
  const boundary = text.slice(0, text.indexOf('\r\n'))
  const start = text.indexOf('\r\n\r\n')
  const end = text.indexOf(`\r\n${boundary}`, start)
  if (boundary === '' || start < 0 || end < 0 || !/filename=/u.test(text.slice(0, start))) return undefined
  return form.subarray(start + 4, end)
}
