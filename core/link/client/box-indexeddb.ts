// A box in a browser: one object store of IndexedDB, durable when the transaction is (strict, where the browser knows it).
import type { Box, Opening } from './box.ts'
import type { Kept } from './types.ts'

const VALUES = 'values'

/** A box under this name; a second one of the same name, in another tab, waits until this one is closed. */
export function indexedDbBox(name: string): Box {
  const database = `dragoman-${name}`
  let ended: PromiseWithResolvers<void> | undefined
  let db: IDBDatabase | undefined

  return {
    async open(opening) {
      if (typeof indexedDB === 'undefined')
        throw new Error('this browser has no IndexedDB here: give connect a box of your own')
      const mine = Promise.withResolvers<void>()
      await alone(database, mine.promise, opening)
      ended = mine
      const request = indexedDB.open(database, 1)
      request.addEventListener('upgradeneeded', () => request.result.createObjectStore(VALUES))
      db = await resultOf(request)
      const store = db.transaction(VALUES).objectStore(VALUES)
      const [keys, values] = await Promise.all([resultOf(store.getAllKeys()), resultOf(store.getAll())])
      return new Map(keys.map((key, index) => [key as string, values[index] as Kept])) // as `write` has put them
    },
    async write(changes) {
      if (db === undefined) throw new Error('the box is not open')
      const transaction = db.transaction(VALUES, 'readwrite', { durability: 'strict' })
      const store = transaction.objectStore(VALUES)
      for (const [key, value] of changes)
        if (value === undefined) store.delete(key)
        else store.put(value, key)
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      transaction.addEventListener('complete', () => resolve())
      transaction.addEventListener('abort', () => reject(transaction.error ?? new Error('not written')))
      await promise
    },
    async close() {
      db?.close()
      db = undefined
      ended?.resolve()
    },
  }
}

/** Two tabs with one outbox would give one number to two messages. Without Web Locks (no secure context) the app sees to it itself. */
async function alone(name: string, until: Promise<void>, opening?: Opening): Promise<void> {
  if (!('locks' in navigator)) return
  if (await hasLock(name, until, { ifAvailable: true })) return
  opening?.signal.throwIfAborted()
  opening?.onWaiting('another tab has this box')
  await hasLock(name, until, opening === undefined ? {} : { signal: opening.signal })
}

/** Resolves when the lock is ours, and it stays so `until` then. False: another tab has it, and it was asked for only `ifAvailable`. */
async function hasLock(name: string, until: Promise<void>, options: LockOptions): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>()
  navigator.locks
    .request(name, options, async (lock) => {
      resolve(lock !== null)
      if (lock !== null) await until
    })
    .catch(reject)
  return promise
}

function resultOf<T>(request: IDBRequest<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  request.addEventListener('success', () => resolve(request.result))
  request.addEventListener('error', () => reject(request.error ?? new Error('IndexedDB refused')))
  return promise
}
