// Callers on plain sockets, each with one request under way: what writes the load shall not be what is measured. (autocannon takes 55 to 90 µs of
// processor time a request, on two cores a third of what the gateway has.)
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { Order } from './load.ts'

/** One answer: its status, and where in the bytes so far it ends; undefined while it is not whole. There is never another behind it. */
function answerIn(text: string): { readonly status: number; readonly end: number } | undefined {
  const head = text.indexOf('\r\n\r\n')
  if (head < 0) return undefined
  const status = Number(text.slice(9, 12))
  const fields = text.slice(0, head + 2)
  if (/\r\ntransfer-encoding: *chunked/iu.test(fields))
    return text.endsWith('\r\n0\r\n\r\n') ? { status, end: text.length } : undefined
  const end = head + 4 + Number(/\r\ncontent-length: *(\d+)/iu.exec(fields)?.[1] ?? 0)
  return text.length < end ? undefined : { status, end }
}

/** Called when an answer is whole, or with 0 when the connection broke before. */
export type Answered = (status: number) => void

/** A kept connection to the server of the order; its requests differ in their `[<id>]` alone. */
export class Caller {
  readonly #socket: Socket
  readonly #before: string
  readonly #after: string
  readonly #hasId: boolean
  #text = ''
  #answered: Answered | undefined

  constructor({ url, headers, body }: Order, onClose: () => void) {
    const { hostname, port, pathname } = new URL(url)
    const [before = '', after] = body.split('[<id>]')
    const bytes = Buffer.byteLength(body) - (after === undefined ? 0 : '[<id>]'.length - ID_LENGTH)
    const fields = Object.entries({ host: hostname, ...headers, 'content-length': bytes })
    const head = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    const latin1 = (text: string): string => Buffer.from(text).toString('latin1')
    this.#before = `POST ${pathname} HTTP/1.1\r\n${head}\r\n${latin1(before)}`
    this.#after = latin1(after ?? '')
    this.#hasId = after !== undefined
    this.#socket = connect(Number(port), hostname)
    this.#socket.setNoDelay(true)
    this.#socket.setEncoding('latin1') // a character is a byte, as Content-Length counts
    this.#socket.on('data', (piece: string) => this.#took(piece))
    this.#socket.on('error', () => this.#socket.destroy())
    this.#socket.on('close', () => {
      this.#end(0)
      onClose()
    })
  }

  send(answered: Answered): void {
    this.#answered = answered
    this.#socket.write(this.#hasId ? this.#before + nextId() + this.#after : this.#before, 'latin1')
  }

  close(): void {
    this.#socket.destroy()
  }

  #took(piece: string): void {
    this.#text += piece
    const answer = answerIn(this.#text)
    if (answer === undefined) return
    this.#text = this.#text.slice(answer.end)
    this.#end(answer.status)
  }

  #end(status: number): void {
    const answered = this.#answered
    this.#answered = undefined
    answered?.(status)
  }
}

const ID_LENGTH = 16
const run = Math.random().toString(36).slice(2, 8).padEnd(6, '0')
let last = 0

function nextId(): string {
  return run + String(last++).padStart(ID_LENGTH - run.length, '0')
}
