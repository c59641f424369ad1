// The reference model: what a store is, in maps and lists, without disk, groups or indexes.
import assert from 'node:assert/strict'
import type { Accept, Outcome, Work } from '../../../core/store/store.ts'

interface Stored {
  readonly id: string
  readonly home: string
  readonly conversation: string
  readonly sequence: number
  readonly offset: number | undefined
}
interface OpenStep extends Stored {
  attempt: number
  unended: number
  inFlight: boolean
}
interface Ended extends Stored {
  readonly outcome: Outcome
}

export class Model {
  readonly messages: Stored[] = []
  readonly ended: Ended[] = []
  readonly dead = new Set<string>()
  readonly ledger = { accepted: 0, settled: 0, expired: 0, dead: 0, waiting: 0 }
  readonly #logs = new Map<string, string[]>()
  readonly #inboxes = new Map<string, string[]>()
  readonly #claims = new Map<string, { readonly id: string; readonly fingerprint: string }>()
  readonly #lanes = new Map<string, OpenStep[]>()

  get inFlight(): readonly OpenStep[] {
    return [...this.#lanes.values()].flatMap((lane) => lane.filter((step) => step.inFlight))
  }

  pick<T>(list: readonly T[], at: number): T | undefined {
    return list.length === 0 ? undefined : list[at % list.length]
  }

  log(conversation: string): readonly string[] {
    return this.#logs.get(conversation) ?? []
  }

  inbox(home: string): readonly string[] {
    return this.#inboxes.get(home) ?? []
  }

  accept({ message: { id }, home, conversation, dedupe, work, fence, inbox }: Accept): unknown {
    const claim = dedupe === undefined ? undefined : this.#claims.get(dedupe.key)
    if (claim !== undefined)
      return claim.fingerprint === dedupe?.fingerprint
        ? ['duplicate', claim.id, this.#state(claim.id)]
        : 'mismatch'
    const lane = this.#lanes.get(conversation) ?? []
    if (work !== undefined && lane.filter((step) => !step.inFlight).length >= work.limit) return 'full'
    const stored = this.#append(id, { home, conversation, inbox })
    this.messages.push(stored)
    if (dedupe !== undefined) this.#claims.set(dedupe.key, { id, fingerprint: dedupe.fingerprint })
    this.ledger.accepted++
    if (work === undefined) {
      this.ledger.settled++
      this.ended.push({ ...stored, outcome: 'taken' })
      return [stored.sequence, stored.offset, undefined]
    }
    const begins = fence !== undefined && lane.length === 0
    this.ledger.waiting++
    lane.push({ ...stored, attempt: begins ? 1 : 0, unended: begins ? 1 : 0, inFlight: begins })
    this.#lanes.set(conversation, lane)
    return [stored.sequence, stored.offset, begins ? 1 : undefined]
  }

  /** As many idle heads as asked for, any of them. */
  taken(work: readonly Work[], max: number): void {
    const heads = [...this.#lanes.values()].flatMap(([head]) =>
      head === undefined || head.inFlight ? [] : [head],
    )
    assert.equal(work.length, Math.min(max, heads.length))
    for (const row of work) {
      const head = heads.find((step) => step.id === row.id)
      if (head === undefined) throw new Error(`${row.id} is no head that waits`)
      head.attempt++
      head.unended++
      head.inFlight = true
      assert.deepEqual(
        [row.attempt, row.poison, row.home, row.message.sequence],
        [head.attempt, head.unended > 3, head.home, head.sequence],
      )
    }
  }

  settle(
    step: OpenStep,
    {
      outcome,
      replies,
      isLate,
    }: {
      readonly outcome: Outcome | 'retry'
      readonly replies: readonly string[]
      readonly isLate: boolean
    },
  ): unknown {
    const { home, conversation } = step
    const lane = this.#lanes.get(conversation) ?? []
    if (outcome === 'retry') {
      step.inFlight = false
      step.unended--
      return { status: 'settled', sequences: [], offsets: [], waiting: lane.length }
    }
    const said = replies.map((id) => this.#append(id, { home, conversation, inbox: !isLate }))
    if (isLate) {
      step.inFlight = false
      step.unended--
      return { status: 'notOwner' }
    }
    lane.splice(lane.indexOf(step), 1)
    this.ended.push({ ...step, outcome })
    this.ledger.waiting--
    if (outcome === 'failed') {
      this.ledger.dead++
      this.dead.add(step.id)
    } else if (outcome === 'expired') this.ledger.expired++
    else this.ledger.settled++
    return {
      status: 'settled',
      sequences: said.map((one) => one.sequence),
      offsets: said.map((one) => one.offset),
      waiting: lane.length,
    }
  }

  /** The owner is gone: what was in flight waits again, its attempt unended. */
  orphan(): void {
    for (const step of this.inFlight) step.inFlight = false
  }

  #append(
    id: string,
    { home, conversation, inbox }: { home: string; conversation: string; inbox: boolean },
  ): Stored {
    const log = this.#logs.get(conversation) ?? []
    log.push(id)
    this.#logs.set(conversation, log)
    const box = this.#inboxes.get(home) ?? []
    if (inbox) box.push(id)
    this.#inboxes.set(home, box)
    return { id, home, conversation, sequence: log.length, offset: inbox ? box.length : undefined }
  }

  #state(id: string): string {
    return this.ended.find((one) => one.id === id)?.outcome ?? 'running'
  }
}
