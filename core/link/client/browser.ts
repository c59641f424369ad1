// `dragoman/client` for browsers: nothing is installed, MQTT.js is brought only when the WebSocket does not get through.
import { indexedDbBox } from './box-indexeddb.ts'
import { createClient } from './client.ts'
import type { Box } from './box.ts'
import type { Client, ConnectOptions } from './types.ts'

export { indexedDbBox } from './box-indexeddb.ts'
export { memoryBox } from './box.ts'
export type { Box, Change, Opening } from './box.ts'
export type * from './types.ts'

/** So that both entries export the same names; throws, as there is no file here. */
export function fileBox(_path: string): Box {
  throw new Error('fileBox is for Node, this is dragoman/client for browsers: use indexedDbBox')
}

/** The first of the four calls. The outbox is in IndexedDB, under the name `box`; a second tab waits until the first is closed. */
export function connect(options: ConnectOptions): Client {
  return createClient(options, {
    box: (name = 'link') => indexedDbBox(name),
    loadMqtt: async () => (await import('mqtt')).default,
    onHurry(hurry) {
      const seen = (): void => {
        if (document.visibilityState === 'visible') hurry()
      }
      // A Web Worker has no document, React Native neither of them.
      const network = typeof addEventListener === 'function' ? globalThis : undefined
      const page = typeof document === 'object' ? document : undefined
      network?.addEventListener('online', hurry)
      page?.addEventListener('visibilitychange', seen)
      return () => {
        network?.removeEventListener('online', hurry)
        page?.removeEventListener('visibilitychange', seen)
      }
    },
  })
}
