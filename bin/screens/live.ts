// A screen in the terminal that is drawn again and again.
import { parseDuration } from '../../config/units.ts'
import { GatewayError } from '../../core/api.ts'
import { adminOf } from '../running/admin-client.ts'
import type { Admin, AdminOptions } from '../running/admin-client.ts'
import { fit, inLine } from '../printable.ts'

/** Where the cursor was, without what stood below it: the screen does not flicker. */
const HOME = '\u001b[H'
const CLEAR = '\u001b[2J\u001b[H'
const CLEAR_LINE = '\u001b[K'
const CLEAR_BELOW = '\u001b[J'

/** A longer one is a mistake, and one beyond 2^31 ms a timer that fires at once. */
const LONGEST_MS = 3_600_000

/** Of `--every`: 100 ms to an hour. Throws `DECODE_FAILED`. */
export function everyMsOf(every: string): number {
  const everyMs = parseDuration(every)
  if (everyMs === undefined || everyMs < 100)
    throw new GatewayError('DECODE_FAILED', `--every ${every} is no duration: write it as 1s or 500ms`)
  if (everyMs > LONGEST_MS)
    throw new GatewayError('DECODE_FAILED', `--every ${every} is too long: 1h at most`)
  return everyMs
}

export function clear(): void {
  if (process.stdout.isTTY) process.stdout.write(CLEAR)
}

/** Lines that there is room for; what is no terminal takes all. */
export function roomForRows(): number {
  return roomOf(process.stdout).rows
}

/** A terminal that does not know its size (`docker exec -t`, a serial line) says 0. */
export function roomOf({ isTTY, rows, columns }: Screen): Required<Omit<Screen, 'isTTY'>> {
  if (isTTY !== true) return { rows: Infinity, columns: Infinity }
  return { rows: rows || 24, columns: columns || 80 }
}

interface Screen {
  readonly isTTY?: boolean
  readonly rows?: number
  readonly columns?: number
}

export function show(lines: readonly string[]): void {
  const { columns } = roomOf(process.stdout)
  if (!process.stdout.isTTY) return console.log(`${lines.join('\n')}\n`)
  const cut = lines.map((line) => `${fit(line, columns)}${CLEAR_LINE}`)
  process.stdout.write(`${HOME}${cut.join('\n')}${CLEAR_BELOW}`)
}

/** A gateway that is gone is waited for. */
export async function showGone(error: unknown, admin: Admin, options: AdminOptions): Promise<Admin> {
  show([`${new Date().toISOString()}   ${inLine(GatewayError.from(error).message)}`])
  try {
    return await adminOf(options) // after a restart it may listen elsewhere
  } catch (problem) {
    if (problem instanceof GatewayError) return admin // still gone; it is asked again
    throw problem
  }
}
