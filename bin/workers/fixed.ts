// What all workers of a supervisor have alike, whatever the file says meanwhile: what is read at the start alone.
import type { Config } from '../../config/load.ts'
import { GatewayError } from '../../core/api.ts'
import { addressOf } from '../../core/store/redis/address.ts'

/** The sections of `FIXED`, resolved, with what is secret in that config. Plain data: it goes from process to process, by their pipe alone. */
export type Fixed = Pick<
  Config,
  'http' | 'dataDirectory' | 'identity' | 'admin' | 'log' | 'store' | 'secrets'
>

/** What a worker begins with: none of the two for the first of all, which goes by the files. */
export interface Begin {
  /** It runs with these, as its siblings do. */
  readonly like?: Fixed
  /** It goes by the files, and for a while runs beside who has these. */
  readonly beside?: Fixed
}

export function fixedOf({ http, dataDirectory, identity, admin, log, store, secrets }: Config): Fixed {
  return { http, dataDirectory, ...(identity !== undefined && { identity }), admin, log, store, secrets }
}

export function withFixed(config: Config, fixed: Fixed | undefined): Config {
  if (fixed === undefined) return config
  const { identity: _, ...rest } = config // absent there, it is absent here
  const secrets = [...new Set([...fixed.secrets, ...config.secrets])]
  return { ...rest, ...fixed, secrets: secrets.toSorted((one, other) => other.length - one.length) }
}

/**
 * Throws `INTERNAL` where the config has another store, or data folder, than who runs beside it: messages of one conversation would
 * be in two, and the same key accepted twice. Another login is no other store, nor are other nodes of which one is the same. So where it
 * listens elsewhere: who takes connections at either place would change from one replaced worker to the next.
 */
export function refuseAnother({ dataDirectory, http, store }: Config, beside: Fixed | undefined): void {
  if (beside === undefined) return
  const stores = 'two stores at a time are two gateways'
  const places = 'the workers of one supervisor listen at one place'
  const others: readonly (readonly [boolean, string, string])[] = [
    [dataDirectory === beside.dataDirectory, 'data', stores],
    [isSame(store.url, beside.store.url), 'store.url', stores],
    [http.host === beside.http.host, 'http.host', places],
    [http.port === beside.http.port, 'http.port', places],
  ]
  for (const [isAlike, section, why] of others)
    if (!isAlike)
      throw new GatewayError(
        'INTERNAL',
        `${section} is not what the workers that run have, and ${why}: stop this one and start it again`,
      )
}

function isSame(one: string | undefined, other: string | undefined): boolean {
  if (one === undefined || other === undefined) return one === other
  const [first, second] = [addressOf(one), addressOf(other)]
  const nodes = new Set(first.nodes.map(({ host, port }) => `${host} ${port}`))
  return (
    first.kind === second.kind &&
    first.master === second.master &&
    first.database === second.database &&
    second.nodes.some(({ host, port }) => nodes.has(`${host} ${port}`))
  )
}
