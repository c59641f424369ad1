// One pair of protocols in this process: channel, route and backend as the gateway runs them, and the business system behind.
import rest from '../../../adapters/rest/index.ts'
import soap from '../../../adapters/soap/index.ts'
import webservice from '../../../adapters/webservice/index.ts'
import { readConfig, resolveConfig } from '../../../config/load.ts'
import type { Config } from '../../../config/load.ts'
import { Rehearsal } from '../../../core/map/rehearsal.ts'
import { pathOf } from './config.ts'
import { Counterpart } from './counterpart.ts'
import type { Kind } from './model.ts'
import type { Answered, Protocol, Wire } from './protocols.ts'

const adapters = new Map([rest, soap, webservice].map((adapter) => [adapter.name, adapter]))

export async function configOf(file: string): Promise<Config> {
  return resolveConfig(await readConfig(file, { env: {} }), adapters)
}

export class Pair implements AsyncDisposable {
  readonly counterpart = new Counterpart()
  readonly from: Protocol
  readonly #path: string
  readonly #rehearsal: Rehearsal
  #opened = false

  constructor(from: Protocol, to: Protocol, config: Config) {
    this.from = from
    this.#path = pathOf(from.name, to.name)
    this.#rehearsal = new Rehearsal({
      settings: config,
      adapters,
      dedupeMs: 1000,
      now: Date.now(),
      identify: async () => ({ role: 'program', id: 'test' }),
      answer: async ({ request }) => ({
        told: { status: 200, ...this.counterpart.answer(new URL(request.url).pathname, request) },
        from: 'the counterpart',
      }),
    })
  }

  /** What the caller gets for what he sends. */
  async ask(kind: Kind, { headers, body }: Wire): Promise<Answered> {
    if (!this.#opened) await this.#rehearsal.open(this.#path)
    this.#opened = true
    const path = `${this.#path}${this.from.below(kind)}`
    const caller = { remote: '127.0.0.1', origin: 'http://gateway.example.com' }
    const passage = await this.#rehearsal.go({ method: 'POST', path, query: '', headers, body, ...caller })
    const { status, headers: told = {}, body: answer = '' } = passage.response ?? { status: 0 }
    if (typeof answer !== 'string' && !(answer instanceof Uint8Array))
      throw new Error('a stream was not expected')
    return {
      status,
      headers: told,
      body: typeof answer === 'string' ? new TextEncoder().encode(answer) : answer,
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rehearsal[Symbol.asyncDispose]()
  }
}
