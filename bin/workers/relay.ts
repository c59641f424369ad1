// What one worker asks of its siblings, by way of their supervisor.
import type { PeerAnswer, PeerQuestion } from '../../core/http/peers.ts'

const ANSWER_MS = 4000

interface Asking {
  readonly answers: PeerAnswer[]
  readonly missing: Set<number>
  readonly end: () => void
}

export class Relay {
  readonly #asking = new Map<number, Asking>()
  #lastId = 0

  /** Resolves with the answers of those that answered in time; `send` reaches one of them. */
  async ask(
    question: PeerQuestion,
    whom: ReadonlyMap<number, (id: number, question: PeerQuestion) => void>,
  ): Promise<readonly PeerAnswer[]> {
    const id = ++this.#lastId
    const { promise, resolve } = Promise.withResolvers<void>()
    const asking: Asking = { answers: [], missing: new Set(whom.keys()), end: resolve }
    if (whom.size === 0) return []
    const timer = setTimeout(resolve, ANSWER_MS)
    this.#asking.set(id, asking)
    for (const send of whom.values()) send(id, question)
    await promise
    clearTimeout(timer)
    this.#asking.delete(id)
    return asking.answers
  }

  answered(id: number, answer: PeerAnswer): void {
    const asking = this.#asking.get(id)
    if (asking === undefined || !asking.missing.delete(answer.worker)) return
    asking.answers.push(answer)
    if (asking.missing.size === 0) asking.end()
  }

  /** It will not answer any more. */
  gone(worker: number): void {
    for (const { missing, end } of this.#asking.values())
      if (missing.delete(worker) && missing.size === 0) end()
  }
}
