// `dragoman cache`: what the fallback cache holds; `dragoman cache drop`: making it forget.
import { GatewayError } from '../core/api.ts'
import { parseExact } from '../core/json.ts'
import { adminOf, byWorker, table } from './running/admin-client.ts'
import type { AdminOptions } from './running/admin-client.ts'
import { fail } from './fail.ts'
import { asJson } from './printable.ts'

interface Kept {
  readonly worker?: number
  readonly backend: string
  readonly operation: string
  readonly entries: number
  readonly bytes: number
  readonly oldestAgeMs: number
}

export async function listCache(options: AdminOptions): Promise<void> {
  try {
    const admin = await adminOf(options)
    const kept = (await admin('cache')) as readonly Kept[] // our own admin API
    if (options.json === true) console.log(asJson(kept))
    else if (kept.length === 0) console.log('The cache is empty.')
    else
      console.log(
        table(
          byWorker(kept, [
            ['OPERATION', 'ANSWERS', 'KB', 'OLDEST'],
            ...kept.map(({ backend, operation, entries, bytes, oldestAgeMs }) => [
              `${backend}.${operation}`,
              String(entries),
              String(Math.ceil(bytes / 1024)),
              `${Math.round(oldestAgeMs / 1000)}s`,
            ]),
          ]),
        ),
      )
  } catch (error) {
    fail(error)
  }
}

export async function dropCache(
  backend: string,
  operation: string,
  options: AdminOptions & { readonly params?: string },
): Promise<void> {
  try {
    const params = options.params === undefined ? {} : { params: jsonOf(options.params) }
    const admin = await adminOf(options)
    const answer = await admin('cache/invalidate', {
      method: 'POST',
      body: { backend, operation, ...params },
    })
    const { invalidated } = answer as { readonly invalidated: number } // our own admin API
    console.log(
      `${invalidated} ${invalidated === 1 ? 'answer' : 'answers'} of ${backend}.${operation} dropped.`,
    )
  } catch (error) {
    fail(error)
  }
}

function jsonOf(text: string): unknown {
  try {
    return parseExact(text)
  } catch (error) {
    throw new GatewayError('DECODE_FAILED', `--params is not JSON: ${text}`, { cause: error })
  }
}
