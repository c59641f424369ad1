// Calls both ways over one message port: the gateway and a plugin's worker each hold an end.
import { receiveMessageOnPort } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { OWN_ANSWERS } from './contract.ts'
import { packError, refuseUnfit, unpackError } from './wire.ts'
import type { PackedError } from './wire.ts'

export type Serve = (method: string, args: readonly unknown[], signal: AbortSignal) => unknown

export interface Rpc {
  /** Rejects with what the other side threw, with the signal's reason, or, after `close`, with its reason. */
  call(method: string, args: readonly unknown[], signal?: AbortSignal): Promise<unknown>
  /** Without an answer. What cannot be sent is dropped. */
  tell(method: string, args: readonly unknown[]): void
  /** Sends now what would be sent in a moment. */
  flush(): void
  /** Whatever waits, and whatever comes later, fails with this. */
  close(reason: () => Error): void
}

export interface RpcOptions {
  readonly serve: Serve
  /** Of one message to the other side, which then is what a plugin hands over: no clone may empty it. Absent: any. */
  readonly limitBytes?: number
}

type Wire =
  | readonly ['call', number, string, readonly unknown[]]
  | readonly ['value', number, unknown]
  | readonly ['error', number, PackedError]
  | readonly ['abort', number, PackedError]
  | readonly ['tell', string, readonly unknown[]]

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  readonly release: () => void
}

export function createRpc(port: MessagePort, { serve, limitBytes }: RpcOptions): Rpc {
  const waiting = new Map<number, Waiting>()
  const serving = new Map<number, AbortController>()
  let queue: Wire[] = []
  let last = 0
  let closed: (() => Error) | undefined

  /** What is sent in one turn of the loop goes as one message: at fifty calls at a time that is three times the rate. */
  function send(message: Wire): void {
    if (queue.push(message) === 1) setImmediate(flush)
  }

  /** Throws what keeps it from going. */
  function refuse(values: readonly unknown[], isData: boolean): void {
    if (limitBytes !== undefined) refuseUnfit(values, { limitBytes, isData })
  }

  function flush(): void {
    const batch = queue
    queue = []
    if (batch.length === 0 || closed !== undefined) return
    try {
      port.postMessage(batch)
    } catch {
      for (const message of batch) sendAlone(message) // one of them is no plain data
    }
  }

  function sendAlone(message: Wire): void {
    try {
      port.postMessage([message])
    } catch (error) {
      if (message[0] === 'call') settled(message[1])?.reject(error)
      if (message[0] === 'value') port.postMessage([['error', message[1], packError(error)] satisfies Wire])
    }
  }

  async function answer(id: number, method: string, args: readonly unknown[]): Promise<void> {
    const controller = new AbortController()
    serving.set(id, controller)
    try {
      const value = await serve(method, args, controller.signal)
      refuse([value], !OWN_ANSWERS.has(method))
      send(['value', id, value])
    } catch (thrown) {
      queue.push(['error', id, packError(thrown)])
      if (queue.length === 1) setImmediate(flush)
    } finally {
      serving.delete(id)
    }
  }

  function settled(id: number): Waiting | undefined {
    const found = waiting.get(id)
    waiting.delete(id)
    found?.release()
    return found // undefined: it was aborted, nobody wants the answer any more
  }

  function take(message: Wire): void {
    if (closed !== undefined) return
    switch (message[0]) {
      case 'call':
        void answer(message[1], message[2], message[3])
        return
      case 'value':
        settled(message[1])?.resolve(message[2])
        return
      case 'error':
        settled(message[1])?.reject(unpackError(message[2]))
        return
      case 'abort':
        serving.get(message[1])?.abort(unpackError(message[2]))
        return
      case 'tell':
        void quietly(() => serve(message[1], message[2], NEVER))
    }
  }
  const takeAll = (batch: readonly Wire[]): void => {
    for (const message of batch) take(message)
  }
  port.on('message', takeAll)

  return {
    call(method, args, signal) {
      if (closed !== undefined) return Promise.reject(closed())
      if (signal?.aborted === true) return Promise.reject(asError(signal.reason))
      const id = ++last
      try {
        refuse(args, true)
        send(['call', id, method, args])
      } catch (error) {
        return Promise.reject(asError(error))
      }
      return new Promise((resolve, reject) => {
        const onAbort = (): void => {
          settled(id)
          send(['abort', id, packError(signal?.reason)])
          reject(asError(signal?.reason))
        }
        signal?.addEventListener('abort', onAbort, { once: true })
        const release = (): void => signal?.removeEventListener('abort', onAbort)
        waiting.set(id, { resolve, reject, release })
      })
    },
    tell(method, args) {
      if (closed !== undefined) return
      try {
        refuse(args, false)
        send(['tell', method, args])
      } catch {
        return // too large: whoever wants to hear of that uses `call`
      }
    },
    flush,
    close(reason) {
      if (closed !== undefined) return
      // What the other side said before it ended still counts.
      for (let left = receiveMessageOnPort(port); left !== undefined; left = receiveMessageOnPort(port))
        takeAll(left.message as readonly Wire[]) // only the other end writes to it
      closed = reason
      for (const id of waiting.keys()) settled(id)?.reject(reason())
      for (const controller of serving.values()) controller.abort(reason())
      port.close()
    },
  }
}

const NEVER = new AbortController().signal

/** Runs at once; whoever wants to hear of a failure uses `call`. */
async function quietly(work: () => unknown): Promise<void> {
  try {
    await work()
  } catch {
    return
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new DOMException('the caller has gone', 'AbortError')
}
