// A box in a browser: one object store of IndexedDB, durable when the transaction is (strict, where the browser knows it).
import type { Box } from './box.ts'
import type { Kept } from './types.ts'

const VALUES = 'values'

/** A box under this name; a second one of the same name, in another tab, waits until this one is closed. */
export function indexedDbBox(name: string): Box {
  const database = `dragoman-${name}`
  const ended = Promise.withResolvers<void>()
  let db: IDBDatabase | undefined

  return {
    async open() {
      await alone(database, ended.promise)
      const opening = indexedDB.open(database, 1)
      opening.addEventListener('upgradeneeded', () => opening.result.createObjectStore(VALUES))
      db = await resultOf(opening)
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
      ended.resolve()
    },
  }
}

/** Two tabs with one outbox would give one number to two messages. Without Web Locks (no secure context) the app sees to it itself. */
async function alone(name: string, until: Promise<void>): Promise<void> {
  if (!('locks' in navigator)) return
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  navigator.locks
    .request(name, () => {
      resolve()
      return until
    })
    .catch(reject)
  await promise
}

function resultOf<T>(request: IDBRequest<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  request.addEventListener('success', () => resolve(request.result))
  request.addEventListener('error', () => reject(request.error ?? new Error('IndexedDB refused')))
  return promise
}
