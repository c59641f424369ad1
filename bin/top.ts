// `dragoman top`: what flows, what is broken, what waits, live in the terminal.
import { GatewayError } from '../core/api.ts'
import { parseDuration } from '../config/units.ts'
import { adminOf } from './admin-client.ts'
import type { Admin, AdminOptions } from './admin-client.ts'
import { fail } from './fail.ts'
import { screenOf } from './top-screen.ts'
import type { Reading } from './top-screen.ts'

export interface TopOptions extends AdminOptions {
  readonly every: string
  /** One screen, then the end. */
  readonly once?: boolean
}

/** Where the cursor was, without what stood below it: the screen does not flicker. */
const HOME = '\u001b[H'
const CLEAR = '\u001b[2J\u001b[H'
const CLEAR_LINE = '\u001b[K'
const CLEAR_BELOW = '\u001b[J'

/** Runs until it is interrupted; a gateway that is gone is waited for. */
export async function top(options: TopOptions): Promise<void> {
  try {
    const everyMs = parseDuration(options.every)
    if (everyMs === undefined || everyMs < 100)
      throw new GatewayError(
        'DECODE_FAILED',
        `--every ${options.every} is no duration: write it as 1s or 500ms`,
      )
    let admin = await adminOf(options)
    let before = await read(admin)
    if (options.json === true) return console.log(JSON.stringify(before, null, 2))
    if (process.stdout.isTTY) process.stdout.write(CLEAR)
    for (;;) {
      await new Promise((again) => setTimeout(again, everyMs))
      try {
        const now = await read(admin)
        show(screenOf(before, now, process.stdout.isTTY ? process.stdout.rows : Infinity))
        before = now
      } catch (error) {
        if (options.once === true) throw error
        show([`${new Date().toISOString()}   ${GatewayError.from(error).message}`])
        admin = await renewed(admin, options)
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

/** After a restart it may listen elsewhere. */
async function renewed(admin: Admin, options: TopOptions): Promise<Admin> {
  try {
    return await adminOf(options)
  } catch (error) {
    if (error instanceof GatewayError) return admin // still gone; it is asked again
    throw error
  }
}

function show(lines: readonly string[]): void {
  const { isTTY, columns } = process.stdout
  if (!isTTY) return console.log(`${lines.join('\n')}\n`)
  const cut = lines.map((line) => `${line.slice(0, columns)}${CLEAR_LINE}`)
  process.stdout.write(`${HOME}${cut.join('\n')}${CLEAR_BELOW}`)
}
