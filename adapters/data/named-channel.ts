// A channel that a backend names in its config: its account or its broker is used.
import { z } from 'zod'

/** What the config loader puts in the place of a channel's name: its adapter part as that channel's schema left it. */
export interface NamedChannel<Config> {
  readonly id: string
  readonly config: Config
}

/** The key that names a channel; `kind` as `an mqtt channel`, `member` is one that the config of each of them has. */
export function namedChannel<Config>(
  kind: string,
  { member, description }: { readonly member: keyof Config & string; readonly description: string },
) {
  return z
    .custom<NamedChannel<Config>>((value) => isNamedChannel(value, member), `must be the name of ${kind}`)
    .optional()
    .meta({ type: 'string', format: 'channel', description })
}

function isNamedChannel(value: unknown, member: string): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { id, config } = value as Partial<Record<keyof NamedChannel<unknown>, unknown>> // any object may be asked for these members
  return typeof id === 'string' && typeof config === 'object' && config !== null && member in config
}
