// What another instance has told a channel: heard in the generation that runs and in those whose work is not over yet.
import type { Json, Log } from '../api.ts'
import type { RunningChannel } from './components.ts'

interface Hearing {
  readonly channels: ReadonlyMap<string, Pick<RunningChannel, 'ears'>>
}

export interface Told {
  /** The channel's. */
  readonly name: string
  readonly said: Json
  readonly log: Log
}

/** Each ear hears it once, also where generations share the channel; one that throws is logged and keeps it from no other. */
export function tellEars(generations: Iterable<Hearing>, { name, said, log }: Told): void {
  const ears = new Set([...generations].flatMap(({ channels }) => channels.get(name)?.ears ?? []))
  tellAll(ears, { name, said, log })
}

/** The same for the ears of one channel, in its plugin's worker. */
export function tellAll(ears: Iterable<(said: Json) => void>, { name, said, log }: Told): void {
  for (const ear of ears)
    try {
      ear(said)
    } catch (error) {
      log.error('a channel failed at what another instance said', { channel: name, error })
    }
}
