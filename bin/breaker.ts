// `dragoman breaker`: how each breaker stands; `off` and `on`: out of service by hand, with a reason, and back.
import { GatewayError } from '../core/api.ts'
import { parseDuration } from '../config/units.ts'
import { adminOf, byWorker, table } from './running/admin-client.ts'
import type { AdminOptions } from './running/admin-client.ts'
import { fail } from './fail.ts'
import { asJson } from './printable.ts'

interface Standing {
  readonly worker?: number
  readonly name: string
  readonly state: string
  readonly reason: string
  readonly openedAt: string | null
  readonly retryAfterMs: number
}

export async function listBreakers(options: AdminOptions): Promise<void> {
  try {
    const admin = await adminOf(options)
    const all = (await admin('breakers')) as readonly Standing[] // our own admin API
    if (options.json === true) console.log(asJson(all))
    else if (all.length === 0) console.log('Nothing has been called yet: there is no breaker.')
    else
      console.log(
        table(
          byWorker(all, [
            ['NAME', 'STATE', 'SINCE', 'WHY'],
            ...all.map(({ name, state, openedAt, reason }) => [name, state, openedAt ?? '-', reason]),
          ]),
        ),
      )
  } catch (error) {
    fail(error)
  }
}

const NOT_STORED =
  'It holds in this gateway alone: the store cannot be written now. Other instances, and this one after a restart, know it when the store is back.'

export async function breakerOff(
  name: string,
  options: AdminOptions & { readonly reason: string; readonly for: string },
): Promise<void> {
  try {
    const forMs = parseDuration(options.for)
    if (forMs === undefined)
      throw new GatewayError(
        'DECODE_FAILED',
        `--for ${options.for} is no duration: write it as 30m, 2h or 1d`,
      )
    const admin = await adminOf(options)
    const answer = await admin('breakers/off', {
      method: 'POST',
      body: { name, reason: options.reason, forMs },
    })
    console.log(`OFF for ${options.for}: ${namesOf(answer)}`)
  } catch (error) {
    fail(error)
  }
}

export async function breakerOn(name: string, options: AdminOptions): Promise<void> {
  try {
    const admin = await adminOf(options)
    console.log(`ACTIVE: ${namesOf(await admin('breakers/on', { method: 'POST', body: { name } }))}`)
  } catch (error) {
    fail(error)
  }
}

function namesOf(answer: unknown): string {
  const { names, isStored } = answer as { readonly names: readonly string[]; readonly isStored?: boolean } // our own admin API, or an older gateway's
  const said = names.join(', ')
  return isStored === false ? `${said}\n${NOT_STORED}` : said
}
