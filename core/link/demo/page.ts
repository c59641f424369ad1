// Serves the chat page of /demo/chat, and dragoman/client to it: the files of this folder, their types taken away.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFile, readdir } from 'node:fs/promises'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { GatewayError } from '../../api.ts'
import type { HttpRequest, HttpResponse } from '../../api.ts'
import type { Mount } from '../../http/edge.ts'

const PATH = '/demo/chat'
const HERE = new URL('.', import.meta.url)
const CLIENT = new URL('../client/', import.meta.url)
/** The files of a checkout are TypeScript, those of the package what was built of it. */
const ENDING = extname(import.meta.url)
/** What Node alone needs, or an editor, is not given to browsers. */
const NOT_FOR_BROWSERS = /^box-file\.|\.d\.ts$/u

interface File {
  readonly type: string
  readonly body: string
}

/** For a listener that only this machine reaches: whoever sees the page needs no token to see it. */
export function chatPageMount(): Mount {
  let files: Promise<ReadonlyMap<string, File>> | undefined
  return {
    path: PATH,
    channel: 'core',
    access: { open: true },
    async handler(request) {
      files ??= load()
      return answer(await files, request)
    },
  }
}

/** Throws `METHOD_NOT_ALLOWED`, `NOT_FOUND`. */
function answer(files: ReadonlyMap<string, File>, { method, path, origin }: HttpRequest): HttpResponse {
  if (method !== 'GET' && method !== 'HEAD')
    throw new GatewayError('METHOD_NOT_ALLOWED', `${method} is not taken here: use GET`, {
      detail: { allow: 'GET, HEAD' },
    })
  const file = files.get(path.slice(PATH.length))
  if (file === undefined) throw new GatewayError('NOT_FOUND', `nothing is served at ${path.slice(0, 200)}`)
  return {
    status: 200,
    headers: {
      'content-type': `${file.type}; charset=utf-8`,
      'cache-control': 'no-store',
      'content-security-policy': policy(files, origin),
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    },
    body: file.body,
  }
}

/** Scripts of this page alone; of what stands in the page, the import map. */
function policy(files: ReadonlyMap<string, File>, origin: string): string {
  const [, map = ''] = /<script type="importmap">([^<]*)</u.exec(files.get('')?.body ?? '') ?? []
  const hash = createHash('sha256').update(map).digest('base64')
  const sockets = origin.replace(/^http/u, 'ws')
  return [
    "default-src 'none'",
    `script-src 'self' 'sha256-${hash}'`,
    "style-src 'self'",
    'img-src data:',
    `connect-src 'self' ${sockets}`,
    'worker-src blob:', // MQTT.js: timers of a hidden page are too slow for its keepalive
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}

/** By what follows `/demo/chat`. Read once, when somebody asks: a gateway nobody tries this on never does. */
async function load(): Promise<ReadonlyMap<string, File>> {
  const modules = [
    ...(await readdir(CLIENT))
      .filter((name) => name.endsWith(ENDING) && !NOT_FOR_BROWSERS.test(name))
      .map((name) => `client/${name}`),
    `demo/chat${ENDING}`,
    `demo/lines${ENDING}`,
    `demo/notes${ENDING}`,
    `demo/storage${ENDING}`,
    `demo/words${ENDING}`,
  ]
  const places = modules.map((name) => new URL(`../${name}`, HERE).href)
  const worker = new Worker(new URL('strip-worker.ts', import.meta.url), {
    workerData: places,
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
  const [scripts] = (await once(worker, 'message')) as [readonly string[]] // as strip-worker.ts posts them
  const read = (file: URL): Promise<string> => readFile(file, 'utf8')
  const mqtt = new URL('../dist/mqtt.esm.js', import.meta.resolve('mqtt'))
  const page = (await read(new URL('chat.html', HERE))).replace('chat.ts"', `chat${ENDING}"`)
  return new Map([
    ['', { type: 'text/html', body: page }],
    ['/demo/chat.css', { type: 'text/css', body: await read(new URL('chat.css', HERE)) }],
    ['/mqtt.js', { type: 'text/javascript', body: await read(mqtt) }],
    ...modules.map((name, index) => {
      return [`/${name}`, { type: 'text/javascript', body: scripts[index] ?? '' }] as const
    }),
  ])
}
