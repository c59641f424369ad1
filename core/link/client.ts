// `dragoman/client` for Node: the app's half of the client protocol (DESIGN §12). Browsers get client/browser.ts.
import { fileBox } from './client/box-file.ts'
import { createClient } from './client/client.ts'
import type { Box } from './client/box.ts'
import type { Client, ConnectOptions } from './client/types.ts'

export { fileBox } from './client/box-file.ts'
export { memoryBox } from './client/box.ts'
export type { Box, Change, Opening } from './client/box.ts'
export type * from './client/types.ts'

/** So that both entries export the same names; throws, as there is no IndexedDB here. */
export function indexedDbBox(_name: string): Box {
  throw new Error('indexedDbBox is for browsers, this is dragoman/client for Node: use fileBox')
}

/** The first of the four calls. The outbox is the SQLite file `box`; one process at a time has it. */
export function connect(options: ConnectOptions): Client {
  return createClient(options, {
    box: (name = 'dragoman-client.sqlite') => fileBox(name),
    loadMqtt: async () => (await import('mqtt')).default,
    onHurry: () => () => undefined,
  })
}
