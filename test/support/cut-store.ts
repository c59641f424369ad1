// A store whose settles fail as long as a test says so: a crash between two steps.
import { GatewayError } from '../../core/api.ts'
import type { Store } from '../../core/store/store.ts'

export function settlingUnless(isCut: () => boolean, store: Store): Store {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return (...given: unknown[]): unknown => {
        if (isCut() && name === 'settle') throw new GatewayError('STORE_UNAVAILABLE', 'cut')
        return Reflect.apply(value, target, given)
      }
    },
  })
}
