// Where the reading of each 微信客服 account stands, for all instances and all lives.
import { GatewayError } from 'dragoman'
import type { Json, Scope } from 'dragoman'

import { isFields } from './answer-text.ts'

export interface Place {
  /** Absent: from the oldest that the platform has, three days ago. */
  readonly cursor: string | undefined
  /** Messages sent before it (milliseconds since the epoch) are not handed in: an empty cursor replays three days. */
  readonly since: number
  readonly version: number | undefined
}

export interface KfCursors {
  /** An event named this account. Resolves once that is stored. */
  meet(openKfId: string): Promise<void>
  load(openKfId: string): Promise<Place>
  /** Throws `BACKEND_FAILED` where another reader has moved on. */
  store(openKfId: string, place: Place, next: string | undefined): Promise<Place>
  /** The platform knows the cursor no more: from the beginning, but only what came after the last page. */
  forget(openKfId: string, place: Place): Promise<Place>
  /** The accounts met so far. */
  accounts(): Promise<readonly string[]>
}

/** The token of an event lives that long: no first event is about anything older. */
const FIRST_LOOK_MS = 600_000
const MAX_ACCOUNTS = 500

/** Keeps the places of an account's customer-service accounts in the component's state. */
export function createKfCursors(scope: Pick<Scope, 'state' | 'log' | 'now'>, account: string): KfCursors {
  const { state, log } = scope
  const met = new Set<string>()
  const keyOf = (openKfId: string): string => `kf/${account}/${openKfId}`
  const listKey = `kf/${account}`

  async function write(openKfId: string, place: Place): Promise<Place> {
    const { cursor, since, version } = place
    const value: Json = { since, at: scope.now(), ...(cursor !== undefined && { cursor }) }
    if (!(await state.compareAndSet(keyOf(openKfId), version, value)))
      throw new GatewayError('BACKEND_FAILED', `another reader of "${openKfId}" has moved on`)
    const written = await state.get(keyOf(openKfId))
    return { ...place, version: written?.version }
  }

  async function enlist(openKfId: string): Promise<void> {
    for (;;) {
      const found = await state.get(listKey)
      const known = Array.isArray(found?.value) ? found.value : []
      if (known.includes(openKfId)) return
      const all = [...known, openKfId].slice(-MAX_ACCOUNTS)
      if (await state.compareAndSet(listKey, found?.version, all)) return
    }
  }

  return {
    async meet(openKfId) {
      if (met.has(openKfId)) return
      await enlist(openKfId)
      met.add(openKfId)
    },

    async load(openKfId) {
      const key = keyOf(openKfId)
      const first = scope.now() - FIRST_LOOK_MS
      // Stored before the first page, so that the next life does not take a later moment for the first.
      if ((await state.get(key)) === undefined)
        await state.compareAndSet(key, undefined, { since: first, at: scope.now() })
      const found = await state.get(key)
      const { cursor, since } = isFields(found?.value) ? found.value : {}
      return {
        cursor: typeof cursor === 'string' ? cursor : undefined,
        since: typeof since === 'number' ? since : first,
        version: found?.version,
      }
    },

    store: (openKfId, place, next) =>
      next === undefined || next === place.cursor
        ? Promise.resolve(place)
        : write(openKfId, { ...place, cursor: next }),

    async forget(openKfId, place) {
      const found = await state.get(keyOf(openKfId))
      const at = isFields(found?.value) ? found.value['at'] : undefined
      const last = typeof at === 'number' ? Math.min(at, scope.now()) : scope.now()
      log.warn('the platform does not know the cursor any more: read again from the last page on', {
        account: openKfId,
      })
      return write(openKfId, {
        ...place,
        cursor: undefined,
        since: Math.max(place.since, last - FIRST_LOOK_MS),
      })
    },

    async accounts() {
      const found = await state.get(listKey)
      const known = Array.isArray(found?.value) ? found.value : []
      return known.filter((name) => typeof name === 'string')
    },
  }
}
