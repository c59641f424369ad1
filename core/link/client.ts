// `dragoman/client` for Node: the app's half of the client protocol (DESIGN §12). Browsers get client/browser.ts.
import { fileBox } from './client/box-file.ts'
import { createClient } from './client/client.ts'
import type { Client, ConnectOptions } from './client/types.ts'

export { fileBox } from './client/box-file.ts'
export { memoryBox } from './client/box.ts'
export type { Box, Change } from './client/box.ts'
export type * from './client/types.ts'

/** The first of the four calls. The outbox is the SQLite file `box`; one process at a time has it. */
export function connect(options: ConnectOptions): Client {
  return createClient(options, {
    box: (name = 'dragoman-client.sqlite') => fileBox(name),
    loadMqtt: async () => (await import('mqtt')).default,
    onHurry: () => () => undefined,
  })
}
