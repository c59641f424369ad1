// `dragoman cluster`: the instances that share one store, live in the terminal.
import type { InstanceRow } from '../../core/operators/cluster.ts'
import { adminOf } from '../running/admin-client.ts'
import type { Admin, AdminOptions } from '../running/admin-client.ts'
import { clusterScreen } from './cluster-screen.ts'
import type { Ledger } from './cluster-screen.ts'
import { fail } from '../fail.ts'
import { clear, everyMsOf, roomForRows, show, showGone } from './live.ts'
import { asJson } from '../printable.ts'

export interface ClusterOptions extends AdminOptions {
  readonly every: string
  /** One screen, then the end. */
  readonly once?: boolean
}

/** Runs until it is interrupted; a gateway that is gone is waited for. */
export async function cluster(options: ClusterOptions): Promise<void> {
  try {
    const everyMs = everyMsOf(options.every)
    let admin = await adminOf(options)
    if (options.json === true) return console.log(asJson(await read(admin)))
    if (options.once !== true) clear()
    for (;;) {
      try {
        const [rows, ledger] = await Promise.all([read(admin), admin('ledger')])
        show(clusterScreen(rows, { ledger: ledger as Ledger, now: Date.now() }).slice(0, roomForRows())) // our own admin API
      } catch (error) {
        if (options.once === true) throw error
        admin = await showGone(error, admin, options)
      }
      if (options.once === true) return
      await new Promise((again) => setTimeout(again, everyMs))
    }
  } catch (error) {
    fail(error)
  }
}

async function read(admin: Admin): Promise<readonly InstanceRow[]> {
  return (await admin('cluster')) as readonly InstanceRow[] // our own admin API
}
