// What the store is told and asked of a customer's devices: uplink numbers, refusals and cursors (DESIGN §12, SEMANTICS 12, 13, 14, 38).

/** A number of one boot of a device. */
export interface DeviceNumber {
  readonly device: string
  readonly boot: string
  readonly n: number
  /** Uses the number up and stores the refusal; where `limit` of the boot are kept already the answer is `full`, and nothing is stored. */
  readonly refuse?: { readonly code: string; readonly limit: number }
}

export interface Hello {
  readonly home: string
  readonly device: string
  readonly boot: string
  readonly first: number
  readonly epoch: string
  readonly offset: number
}
export interface Refusal {
  readonly n: number
  readonly id: string
  readonly code: string
}
export type HelloResult =
  | {
      readonly status: 'welcome'
      readonly epoch: string
      readonly top: number
      readonly oldest: number
      readonly next: number
      readonly refused: readonly Refusal[]
      readonly recovered: boolean
      /** The server had known fewer than `first` - 1 of this boot (SEMANTICS 13): by how many it jumped. */
      readonly jumped: number
    }
  | {
      readonly status: 'reset'
      readonly why: string
      readonly epoch: string
      readonly top: number
      readonly oldest: number
    }

export interface Ack {
  readonly home: string
  readonly device: string
  readonly boot: string
  readonly epoch: string
  readonly offset: number
  /** The lowest number still in the app's outbox, if it said so: stored refusals below it go. */
  readonly first?: number
}
export type AckResult = { readonly status: 'ok'; readonly cursor: number } | { readonly status: 'ahead' }
