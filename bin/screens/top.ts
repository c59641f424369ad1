// `dragoman top`: what flows, what is broken, what waits, live in the terminal.
import { adminOf } from '../running/admin-client.ts'
import type { Admin, AdminOptions } from '../running/admin-client.ts'
import { fail } from '../fail.ts'
import { clear, everyMsOf, roomForRows, show, showGone } from './live.ts'
import { screenOf } from './top-screen.ts'
import type { Reading } from './top-screen.ts'
import { asJson } from '../printable.ts'

export interface TopOptions extends AdminOptions {
  readonly every: string
  /** One screen, then the end. */
  readonly once?: boolean
}

/** Runs until it is interrupted; a gateway that is gone is waited for. */
export async function top(options: TopOptions): Promise<void> {
  try {
    const everyMs = everyMsOf(options.every)
    let admin = await adminOf(options)
    let before = await read(admin)
    if (options.json === true) return console.log(asJson(before))
    clear()
    for (;;) {
      await new Promise((again) => setTimeout(again, everyMs))
      try {
        const now = await read(admin)
        show(screenOf(before, now, roomForRows()))
        before = now
      } catch (error) {
        if (options.once === true) throw error
        admin = await showGone(error, admin, options)
      }
      if (options.once === true) return
    }
  } catch (error) {
    fail(error)
  }
}

async function read(admin: Admin): Promise<Reading> {
  return (await admin('top')) as Reading // our own admin API
}
