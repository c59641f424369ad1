// What `dragoman start` is given on the command line.
import type { Overrides } from '../../config/load.ts'

export interface StartOptions {
  readonly config?: string
  readonly data?: string
  readonly port?: number
  readonly mqttPort?: number
  /** A store that was moved away is this gateway's again. */
  readonly useMovedStore?: boolean
  /** The wall clock is right: the store's goes on to it. */
  readonly confirmClockJump?: boolean
}

/** What is stronger than the file. */
export function overridesOf({ data, port, mqttPort }: StartOptions): Overrides {
  return {
    ...(data !== undefined && { data }),
    ...(port !== undefined && { port }),
    ...(mqttPort !== undefined && { mqttPort }),
  }
}
