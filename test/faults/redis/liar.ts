// A server between gateway and Redis that passes everything on, until it is told to lie: then it answers every command with nonsense.
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

/** `redirects`: MOVED to odd names. `mute texts`: replies of the wrong kind. `huge text`: a bulk string without an end. */
export const LIES = [
  'redirects',
  'loading',
  'read-only',
  'wrong kinds',
  'huge text',
  'web pages',
  'noise',
] as const
export type Lie = (typeof LIES)[number]

export interface Liar extends AsyncDisposable {
  readonly port: number
  /** Commands answered with a lie so far. */
  readonly told: number
  /** Undefined: the truth again, on new connections. */
  lie(lie: Lie | undefined): void
}

const CHUNK = Buffer.alloc(64 * 1024, 'x')
const ODD_NAMES = [':6381', '?:0', '256.1.2.3:99999', '[::', 'redis.invalid:6379', '', '\u0000:1']
const WRONG_KINDS = [':1', '+OK', '$-1', '*0', '*-1', '*2\r\n:1\r\n:2', '$0\r\n', ':-99999999999999999999']

export async function startLiar(target: number, random: () => number): Promise<Liar> {
  const clients = new Set<Socket>()
  let lie: Lie | undefined
  let told = 0
  const pick = (list: readonly string[]): string => list[Math.floor(random() * list.length)] ?? ''

  /** To one command. INFO keeps to the truth where that lets the gateway go further. */
  function answer(client: Socket, command: string): void {
    told++
    const isInfo = command === 'INFO'
    switch (lie) {
      case 'redirects':
        client.write(isInfo ? info() : `-MOVED ${Math.floor(random() * 20_000)} ${pick(ODD_NAMES)}\r\n`)
        break
      case 'loading':
        client.write(isInfo ? info('loading:1') : '-LOADING Redis is loading the dataset in memory\r\n')
        break
      case 'read-only':
        client.write(isInfo ? info() : "-READONLY You can't write against a read only replica.\r\n")
        break
      case 'wrong kinds':
        client.write(isInfo ? info() : `${pick(WRONG_KINDS)}\r\n`)
        break
      case 'huge text':
        client.write(random() < 0.5 ? '$15000000\r\n' : '$999999999999\r\n')
        pour(client)
        break
      case 'web pages':
        client.write('HTTP/1.1 400 Bad Request\r\n\r\n<html>no</html>')
        break
      case 'noise':
        client.write(Buffer.from(Array.from({ length: 500 }, () => Math.floor(random() * 256))))
        break
      case undefined:
    }
  }

  const server = createServer((client) => {
    clients.add(client)
    client.on('error', () => undefined) // whoever is lied to hangs up
    const upstream = connect(target, '127.0.0.1')
    upstream.on('error', () => client.destroy())
    upstream.on('data', (bytes) => void (lie === undefined && client.write(bytes)))
    upstream.once('close', () => void (lie === undefined && client.destroy()))
    client.on('data', (bytes) => {
      if (lie === undefined) upstream.write(bytes)
      else for (const command of commandsIn(bytes)) answer(client, command)
    })
    client.once('close', () => {
      clients.delete(client)
      upstream.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // it listens on TCP
  return {
    port,
    get told() {
      return told
    },
    lie(next) {
      const isOver = next === undefined
      lie = next
      // A line that heard lies is out of step with the truth.
      if (isOver) for (const client of clients) client.destroy()
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** The names of the commands that begin in a chunk: an array whose first element is short and in capitals or small letters. */
function commandsIn(bytes: Buffer): readonly string[] {
  const found = bytes.toString('latin1').matchAll(/\*\d+\r\n\$\d{1,2}\r\n([A-Za-z]{3,12})\r\n/g)
  return [...found].map(([, name = '']) => name.toUpperCase())
}

function info(...more: readonly string[]): string {
  const lines = [
    'redis_version:7.0.15',
    'role:master',
    `master_replid:${'a'.repeat(40)}`,
    'used_memory:1000',
    'maxmemory:0',
    'maxmemory_policy:noeviction',
    'aof_enabled:1',
    'connected_slaves:0',
    ...more,
  ]
  const text = `${lines.join('\r\n')}\r\n`
  return `$${text.length}\r\n${text}\r\n`
}

/** As fast as it is taken, until the client has enough. */
function pour(client: Socket): void {
  const more = (): void => {
    while (!client.destroyed && client.write(CHUNK)) continue
  }
  client.on('drain', more)
  more()
}
