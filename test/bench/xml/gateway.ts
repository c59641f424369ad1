// A gateway whose business system is in its own process, not in the worker of a plugin: parse, route and build is all there is. Prints its port.
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import soap from '../../../adapters/soap/index.ts'
import { readConfig, resolveConfig } from '../../../config/load.ts'
import { startGateway } from '../../../core/gateway.ts'
import { createIdentity } from '../../../core/http/identity.ts'
import { createLog } from '../../../core/log/log.ts'
import { openSqliteStore } from '../../../core/store/sqlite.ts'
import benchOrders from './plugins/bench-orders.ts'

const { values } = parseArgs({ options: { data: { type: 'string', default: './data' } } })
const adapters = new Map([soap, benchOrders].map((adapter) => [adapter.name, adapter]))
const document = await readConfig(join(import.meta.dirname, 'gateway.yaml'), {
  env: process.env,
  overrides: { data: values.data },
})
const settings = resolveConfig(document, adapters)
const log = createLog({ level: 'warn', secrets: [] })
const store = await openSqliteStore({ directory: settings.dataDirectory, log: log.child('store') })
const gateway = await startGateway({
  settings,
  store,
  identity: createIdentity(undefined, {
    host: settings.http.host,
    adminToken: 'nobody-asks',
    log: log.child('identity'),
  }),
  open: true,
  log,
  version: '0',
  reload: (take) => take({ settings, adapters }),
})
console.log(gateway.port)
process.once('SIGTERM', () => {
  void (async () => {
    await gateway.stop(1000)
    await store[Symbol.asyncDispose]()
    process.exit(0)
  })()
})
