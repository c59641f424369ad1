// Whose a conversation is, where its name is kept in another partition than its home's messages (SEMANTICS 9, 11).
import { LRUCache } from 'lru-cache'
import { GatewayError } from '../../api.ts'
import type { Caller } from './caller.ts'
import { partitionOf, registryOf } from './partitions.ts'
import { nonsense } from './reply.ts'

const KNOWN = 50_000

export class Names {
  readonly #caller: Caller
  readonly #partitions: () => number
  /** A name belongs to its home for ever. */
  readonly #owners = new LRUCache<string, string>({ max: KNOWN })

  constructor(caller: Caller, partitions: () => number) {
    this.#caller = caller
    this.#partitions = partitions
  }

  forget(): void {
    this.#owners.clear()
  }

  /** Whether nobody in another partition need be asked. */
  isSettled(conversation: string, home: string): boolean {
    const partitions = this.#partitions()
    if (registryOf(conversation, partitions) === partitionOf(home, partitions)) return true
    return this.#owners.get(conversation) === home
  }

  /** The home it is bound to: this one, if it was nobody's. */
  async bind(conversation: string, home: string): Promise<string> {
    const owner = await this.#ask(conversation, `+${home}`)
    if (owner === undefined)
      throw new GatewayError('INTERNAL', `conversation "${conversation}" could not be bound`)
    this.#owners.set(conversation, owner)
    return owner
  }

  ownerOf(conversation: string): Promise<string | undefined> {
    return this.#ask(conversation, '')
  }

  async #ask(conversation: string, home: string): Promise<string | undefined> {
    const partition = registryOf(conversation, this.#partitions())
    const reply = await this.#caller.run('bind', partition, [conversation, home])
    if (reply === null) return undefined
    const owner = String(reply)
    // It is remembered for ever: what cannot be a home must not be.
    if (!owner.includes('/')) throw nonsense('a home', reply)
    return owner
  }
}
