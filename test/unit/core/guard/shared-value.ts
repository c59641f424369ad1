// A store that holds one value, for what instances tell each other by it.
import type { Json } from '../../../../core/api.ts'
import { Hints } from '../../../../core/store/hints.ts'
import type { Store, ValueOp, ValueResult } from '../../../../core/store/store.ts'

interface Shared {
  (): Pick<Store, 'value' | 'watch'>
  /** Nothing is in it any more, and all who watch look. */
  empty(): void
}

/** One value that instances share, each with a look of its own at it. */
export function shared(): Shared {
  const all: Hints[] = []
  let value: Json | undefined
  let version = 0
  const state = (): { value?: Json; version?: number } =>
    value === undefined ? {} : { value: structuredClone(value), version }
  const open = (): Pick<Store, 'value' | 'watch'> => {
    const hints = new Hints()
    all.push(hints)
    return {
      watch: (names) => hints.watch(names),
      async value({ key, expect: wanted, put, announce }: ValueOp): Promise<ValueResult> {
        if (put === undefined) return { status: 'ok', ...state() }
        if (wanted !== undefined && wanted !== (version === 0 ? 'absent' : version))
          return { status: 'conflict', ...state() }
        value = put
        version++
        if (announce === true) for (const one of all) one.hint(`value:${key}`)
        return { status: 'ok', ...state() }
      },
    }
  }
  const empty = (): void => {
    value = undefined
    version = 0
    for (const one of all) void one.hintAll()
  }
  return Object.assign(open, { empty })
}
