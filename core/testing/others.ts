// Of a test host: what a channel says to the other instances, and what they say to it.
import type { ChannelHost, Json } from '../api.ts'

export interface TestOthers {
  /** What the channel told the other instances, in order. */
  readonly told: readonly Json[]
  /** The pushes whose receivers have come, in order. */
  readonly arrivals: readonly string[]
  /** Tells the channel something, as another instance does. */
  hear(said: Json): void
}

export function testOthers(): TestOthers & Pick<ChannelHost, 'arrived' | 'tell' | 'onTold'> {
  const told: Json[] = []
  const arrivals: string[] = []
  const ears: ((said: Json) => void)[] = []
  return {
    told,
    arrivals,
    hear(said) {
      for (const ear of ears) ear(structuredClone(said))
    },
    arrived: (key) => void arrivals.push(key),
    tell: async (said) => told.push(structuredClone(said)) > 0,
    onTold: (handler) => void ears.push(handler),
  }
}
