// Whether the store can be written, as far as is known without asking: connection, memory, and what the server does when that is full.
import type { Health } from '../store.ts'
import { isRightsRefusal } from './refusals.ts'
import type { ServerFacts } from './server.ts'

export type Memory = Pick<ServerFacts, 'usedMemory' | 'maxMemory' | 'evictionPolicy'>

/** SEMANTICS 42: the last tenth of `maxmemory` is for what drains the store. */
const RESERVE_PARTS = 10

/**
 * Of `maxmemory`, what contents may be counted as: in memory they are two to two and a half times that (measured with messages of 1 kB and
 * of 100 bytes), and what is remembered of a message for its duplicates outlives them.
 */
const CONTENT_PARTS = 5

export class StoreHealth {
  #lost: string | undefined
  #unsafe: string | undefined
  /** By server: why it takes no writes. */
  readonly #refused = new Map<string, string>()
  #memory: Memory | undefined
  #trouble: { readonly reason: string; readonly since: number } | undefined

  get health(): Health {
    if (this.#trouble === undefined) return { writable: true }
    return {
      writable: false,
      reason: this.#trouble.reason,
      since: new Date(this.#trouble.since).toISOString(),
    }
  }

  /** Nothing reaches it. */
  get isLost(): boolean {
    return this.#lost !== undefined
  }

  /** Accept and claim are refused. */
  get isPressed(): boolean {
    const memory = this.#memory
    return memory !== undefined && memory.maxMemory > 0 && memory.usedMemory >= reserveFrom(memory)
  }

  /** Nothing at all fits. */
  get isFull(): boolean {
    const memory = this.#memory
    return memory !== undefined && memory.maxMemory > 0 && memory.usedMemory >= memory.maxMemory
  }

  lost(reason: string): void {
    this.#lost = reason
    this.#refused.clear()
    this.#settle()
  }

  found(): void {
    this.#lost = undefined
    this.#settle()
  }

  /** What is written would not be kept as is wanted: why; undefined: it is. */
  unsafe(reason: string | undefined): void {
    this.#unsafe = reason
    this.#settle()
  }

  /** Why a server takes no writes; undefined: none is known to refuse them. */
  get refusal(): string | undefined {
    const [reason] = this.#refused.values()
    return reason
  }

  refused(server: string, reason: string): void {
    this.#refused.set(server, reason)
    this.#settle()
  }

  /** It takes writes again; that its user lacks a right is not disproved by what he may do. */
  wrote(server: string): void {
    if (!isRightsRefusal(this.#refused.get(server) ?? '') && this.#refused.delete(server)) this.#settle()
  }

  /** Some write was refused for want of a right, and so would be others, in the middle of a script. */
  get lacksRights(): boolean {
    return [...this.#refused.values()].some(isRightsRefusal)
  }

  /** Everything is allowed that the scripts do. */
  granted(): void {
    for (const [server, reason] of this.#refused) if (isRightsRefusal(reason)) this.#refused.delete(server)
    this.#settle()
  }

  saw(memory: Memory): void {
    this.#memory = memory
    this.#settle()
  }

  /** The server refused a write for want of memory before it was looked at. */
  sawFull(): void {
    if (this.isFull) return
    const limit = Math.max(1, this.#memory?.maxMemory ?? 0)
    this.saw({ evictionPolicy: 'noeviction', ...this.#memory, maxMemory: limit, usedMemory: limit })
  }

  get reason(): string {
    const memory = this.#memory
    if (this.#lost !== undefined) return this.#lost
    if (this.#unsafe !== undefined) return this.#unsafe
    if (this.refusal !== undefined) return this.refusal
    return (memory && evictionOf(memory)) ?? this.pressure
  }

  /** How full the memory is, where nothing new is taken for it; else empty. */
  get pressure(): string {
    const memory = this.#memory
    if (memory === undefined || !this.isPressed) return ''
    if (this.isFull) return 'its memory is full up to `maxmemory`'
    return `${megabytes(memory.usedMemory)} of ${megabytes(memory.maxMemory)} of its memory are used, and the last tenth is the reserve`
  }

  #settle(): void {
    const { reason } = this
    if (reason === '') this.#trouble = undefined
    else this.#trouble = { reason, since: this.#trouble?.since ?? Date.now() }
  }
}

/** What its policy does with stored messages; undefined: nothing. */
export function evictionOf({ evictionPolicy }: Pick<Memory, 'evictionPolicy'>): string | undefined {
  if (evictionPolicy === 'noeviction') return undefined
  return `its maxmemory-policy is "${evictionPolicy}", which throws stored messages away: set it to "noeviction"`
}

/** Bytes that retention may keep in a Redis of this `maxmemory`, in bytes. */
export function contentRoomOf(maxMemory: number): number {
  return Math.floor(maxMemory / CONTENT_PARTS)
}

function reserveFrom({ maxMemory }: Memory): number {
  return maxMemory - Math.floor(maxMemory / RESERVE_PARTS)
}

export function megabytes(bytes: number): string {
  return `${Math.floor(bytes / 1_048_576)} MB`
}
