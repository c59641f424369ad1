// No connection leaves this process and none is listened for: what code we have not written may try is answered by an error.
import { Socket as Datagrams } from 'node:dgram'
import { Server, Socket } from 'node:net'

/**
 * Closes the network for the whole process until it is disposed. A `connect` or `listen` fails the way a refused one does,
 * so that its caller handles it; `attempted` is told what it was.
 */
export function closeNetwork(attempted: (what: string) => void): Disposable {
  const before = [Socket.prototype, Server.prototype, Datagrams.prototype].map(
    (prototype) => [prototype, Object.getOwnPropertyDescriptors(prototype)] as const,
  )
  const refused = (what: string): Error => {
    attempted(what)
    return Object.assign(new Error(`${what}: the network is closed here`), { code: 'ECONNREFUSED' })
  }
  Socket.prototype.connect = function connect(this: Socket, ...to: readonly unknown[]) {
    const error = refused(`connect to ${describe(to)}`)
    process.nextTick(() => this.destroy(error))
    return this
  }
  Server.prototype.listen = function listen(this: Server, ...at: readonly unknown[]) {
    const error = refused(`listen at ${describe(at)}`)
    process.nextTick(() => this.emit('error', error))
    return this
  }
  Datagrams.prototype.bind = function bind(this: Datagrams) {
    const error = refused('listen for datagrams')
    process.nextTick(() => this.emit('error', error))
    return this
  }
  Datagrams.prototype.send = function send(this: Datagrams) {
    const error = refused('send a datagram')
    process.nextTick(() => this.emit('error', error))
  }
  return {
    [Symbol.dispose]() {
      for (const [prototype, methods] of before) Object.defineProperties(prototype, methods)
    },
  }
}

/** Node hands its own calls over as one list in the first argument. */
function describe(args: readonly unknown[]): string {
  const [first, second] = Array.isArray(args[0]) ? (args[0] as readonly unknown[]) : args
  if (typeof first === 'object' && first !== null) {
    const { host, port, path } = first as { host?: unknown; port?: unknown; path?: unknown } // any object may be asked
    return word(path) ?? `${word(host) ?? 'localhost'}:${word(port) ?? '?'}`
  }
  const host = word(second)
  return host === undefined ? (word(first) ?? '?') : `${host}:${word(first) ?? '?'}`
}

function word(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
}
