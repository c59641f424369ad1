// Feishu's side, as its documents say it: callbacks sealed and signed, and the two calls of its API that the plugin makes.
import { createCipheriv, createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export const account = {
  appId: 'cli_test',
  appSecret: 'app-secret',
  encryptKey: 'test key',
  verificationToken: 'verify-me',
}

export interface Sealed {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** AES-256-CBC with the IV before it, and a signature over the body as it is sent. */
export function seal(callback: object, { encryptKey } = account): Sealed {
  const iv = randomBytes(16)
  const cipher = createCipheriv('aes-256-cbc', createHash('sha256').update(encryptKey).digest(), iv)
  const encrypt = Buffer.concat([iv, cipher.update(JSON.stringify(callback)), cipher.final()]).toString(
    'base64',
  )
  return sign(JSON.stringify({ encrypt }), encryptKey)
}

export function sign(body: string, encryptKey = account.encryptKey): Sealed {
  const [timestamp, nonce] = [String(Math.floor(Date.now() / 1000)), randomBytes(6).toString('hex')]
  const signature = createHash('sha256').update(`${timestamp}${nonce}${encryptKey}${body}`).digest('hex')
  return {
    headers: {
      'content-type': 'application/json',
      'x-lark-request-timestamp': timestamp,
      'x-lark-request-nonce': nonce,
      'x-lark-signature': signature,
    },
    body,
  }
}

let events = 0

/** `im.message.receive_v1`, version 2.0. */
export function said(
  content: object,
  more: {
    readonly type?: string
    readonly message?: object
    readonly header?: object
    readonly sender?: object
  } = {},
): object {
  events += 1
  return {
    schema: '2.0',
    header: {
      event_id: `event-${events}`,
      event_type: 'im.message.receive_v1',
      create_time: '1767225600123',
      token: account.verificationToken,
      app_id: account.appId,
      tenant_key: 'tenant',
      ...more.header,
    },
    event: {
      sender: {
        sender_id: { open_id: 'ou_ann', union_id: 'on_ann', user_id: 'u1' },
        sender_type: 'user',
        tenant_key: 'tenant',
        ...more.sender,
      },
      message: {
        message_id: `om_${events}`,
        create_time: '1767225600000',
        chat_id: 'oc_1',
        chat_type: 'p2p',
        message_type: more.type ?? 'text',
        content: JSON.stringify(content),
        ...more.message,
      },
    },
  }
}

export interface Asked {
  readonly url: string
  readonly authorization: string
  readonly body: Readonly<Record<string, unknown>>
}

export interface Answering {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** Undefined: the line is cut, after the work was done. */
  readonly body?: object
}

export interface FeishuPlatform extends AsyncDisposable {
  readonly base: string
  /** Calls with a token, in order. */
  readonly asked: readonly Asked[]
  /** How many tokens were given. */
  tokens(): number
  /** What a customer sees: each `uuid` once. */
  shown(): readonly string[]
  /** The next calls are answered by these; the message is shown only by one whose code is 0, or whose line is cut. */
  next(...answers: readonly Answering[]): void
  /** All tokens given before are no good any more. */
  revoke(): void
}

export async function startFeishu(): Promise<FeishuPlatform> {
  const asked: Asked[] = []
  const shown = new Map<string, string>()
  const queue: Answering[] = []
  let tokens = 0
  let good = ''
  async function serve(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const body = await bodyOf(request)
    const answer = (given: Answering): void => {
      response.writeHead(given.status ?? 200, { 'content-type': 'application/json', ...given.headers })
      response.end(JSON.stringify(given.body))
    }
    if (request.url === '/open-apis/auth/v3/tenant_access_token/internal') {
      if (body['app_id'] !== account.appId || body['app_secret'] !== account.appSecret)
        return answer({ body: { code: 10_014, msg: 'app secret invalid' } })
      tokens += 1
      good = `t-${tokens}`
      return answer({ body: { code: 0, msg: 'ok', tenant_access_token: good, expire: 7200 } })
    }
    asked.push({ url: request.url ?? '', authorization: request.headers.authorization ?? '', body })
    if (request.headers.authorization !== `Bearer ${good}`)
      return answer({ status: 400, body: { code: 99_991_663, msg: 'Invalid access token' } })
    const planned = queue.shift() ?? {
      body: { code: 0, msg: 'success', data: { message_id: `om_${asked.length}` } },
    }
    const isDone = planned.body === undefined || ('code' in planned.body && planned.body.code === 0)
    if (isDone && !shown.has(String(body['uuid']))) shown.set(String(body['uuid']), String(body['content']))
    if (planned.body === undefined) return request.socket.destroy()
    answer(planned)
  }
  const server = createServer((request, response) => void serve(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // it listens on TCP
  return {
    base: `http://127.0.0.1:${port}`,
    asked,
    tokens: () => tokens,
    shown: () => [...shown.values()],
    next: (...answers) => void queue.push(...answers),
    revoke: () => {
      good = ''
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function bodyOf(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  let text = ''
  for await (const piece of request) text += String(piece)
  return JSON.parse(text) as Readonly<Record<string, unknown>> // both clients send objects
}
