// A conversation that passes to its route's fallback (SEMANTICS 7): each hand-off ends what others had promised, also where the fallback has it already.
import type { Verdict } from './deliver.ts'
import { Chains } from '../link/chains.ts'
import type { Store, Work } from '../store/store.ts'

export interface Owner {
  readonly agent?: string | undefined
  readonly ownerEpoch: number
}

/** What a fallback's answer was begun under: the owner before it, or itself. */
export interface HandOver {
  readonly to: string
  readonly from: Owner
  /** False: a promise was missed that the fallback, which had the conversation already, is asked for. Nothing changes hands. */
  readonly raises: boolean
}

export class HandOvers {
  readonly #store: Pick<Store, 'find'>
  readonly #settling = new Chains()

  constructor(store: Pick<Store, 'find'>) {
    this.#store = store
  }

  /** Who has the conversation by now. Where that cannot be read: who had it when the step was begun. */
  async ownerOf({ message, agent, ownerEpoch }: Work): Promise<Owner> {
    try {
      for (const row of await this.#store.find({ by: 'conversation', conversation: message.conversation }))
        if (row.row === 'conversation') return row
    } catch {
      // The fallback shall be asked all the same; if it has changed hands, its settle finds that out.
    }
    return { agent, ownerEpoch }
  }

  /**
   * Settles one step of the conversation after the other, where it may change hands by that: two that were asked at the same time (a
   * message, promises that were missed) raise the epoch once, and both count. One that was asked later raises it again: meanwhile another
   * agent may have been asked, and have promised. One that raises nothing counts as long as the fallback has the conversation.
   */
  settled<T>(work: Work, verdict: Verdict, settle: (verdict: Verdict) => Promise<T>): Promise<T> {
    const { handOver } = verdict
    if (handOver === undefined) return settle(verdict)
    return this.#settling.run(work.message.conversation, async () => {
      const { to, from, raises } = handOver
      const owner = await this.ownerOf(work)
      const isPassed = owner.agent === to && owner.ownerEpoch !== from.ownerEpoch
      if (isPassed) return settle({ ...verdict, ownerEpoch: owner.ownerEpoch })
      const begun = { ...verdict, ownerEpoch: from.ownerEpoch }
      return settle(raises ? { ...begun, patch: { agent: to, raiseEpoch: true } } : begun)
    })
  }
}
