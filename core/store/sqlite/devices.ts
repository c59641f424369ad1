// What the store knows of a customer's devices: their uplink numbers, stored refusals and cursors (DESIGN §12, SEMANTICS 13, 14).
import type { DeviceNumber, Refusal } from '../store.ts'
import { query } from './database.ts'
import type { Ground } from './ground.ts'
import type { Home } from './heads.ts'

export interface DeviceName {
  readonly device: string
  readonly boot: string
}

export interface Device {
  /** The last uplink number used up. */
  readonly last: number
  /** Everything of the inbox up to here is stored by the app. */
  readonly cursor: number
}

export type NextNumber =
  | { readonly status: 'next' | 'used'; readonly hasRefused: boolean }
  | { readonly status: 'gap'; readonly next: number }
  | { readonly status: 'refused'; readonly id: string; readonly code: string }

export class Devices {
  readonly #ground: Ground
  readonly #sql

  constructor(ground: Ground) {
    this.#ground = ground
    const { db } = ground
    const one = 'home = ? AND device = ? AND boot = ?'
    this.#sql = {
      get: query<readonly [last: number, cursor: number]>(db, `SELECT last, cursor FROM device WHERE ${one}`),
      // One look for both: nearly no device has refusals, and every `send` asks.
      last: query<readonly [last: number, hasRefused: number]>(
        db,
        `SELECT last, EXISTS (SELECT 1 FROM refusal r WHERE r.home = d.home AND r.device = d.device AND r.boot = d.boot)
         FROM device d WHERE ${one}`,
      ),
      put: query(
        db,
        `INSERT INTO device VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
         SET last = excluded.last, cursor = excluded.cursor, used = excluded.used`,
      ),
      advance: query(
        db,
        'INSERT INTO device VALUES (?, ?, ?, ?, 0, ?) ON CONFLICT DO UPDATE SET last = excluded.last',
      ),
      refuse: query(db, 'INSERT INTO refusal VALUES (?, ?, ?, ?, ?, ?)'),
      refused: query<readonly [id: string, code: string]>(
        db,
        `SELECT id, code FROM refusal WHERE ${one} AND n = ?`,
      ),
      refusals: query<readonly [n: number, id: string, code: string]>(
        db,
        `SELECT n, id, code FROM refusal WHERE ${one} AND n <= ? ORDER BY n`,
      ),
      kept: query<readonly [count: number]>(db, `SELECT count(*) FROM refusal WHERE ${one}`),
      passed: query(db, `DELETE FROM refusal WHERE ${one} AND n < ?`),
    }
  }

  get(home: Home, { device, boot }: DeviceName): Device | undefined {
    const row = this.#sql.get.get(home.id, device, boot)
    return row === undefined ? undefined : { last: row[0], cursor: row[1] }
  }

  put(home: Home, { device, boot }: DeviceName, { last, cursor }: Device): void {
    this.#sql.put.run(home.id, device, boot, last, cursor, this.#ground.clock.now)
  }

  /** What an uplink number is: the wanted one, one beyond a hole, a refused one, or one used up before. */
  next(home: Home | undefined, { device, boot, n }: DeviceNumber): NextNumber {
    const row = home === undefined ? undefined : this.#sql.last.get(home.id, device, boot)
    const last = row?.[0] ?? 0
    const hasRefused = row?.[1] === 1
    if (n === last + 1) return { status: 'next', hasRefused }
    if (n > last + 1) return { status: 'gap', next: last + 1 }
    const refused =
      home === undefined || !hasRefused ? undefined : this.#sql.refused.get(home.id, device, boot, n)
    if (refused !== undefined) return { status: 'refused', id: refused[0], code: refused[1] }
    return { status: 'used', hasRefused }
  }

  advance(home: Home, { device, boot, n }: DeviceNumber): void {
    this.#sql.advance.run(home.id, device, boot, n, this.#ground.clock.now)
  }

  /** How many refusals of a boot are stored. */
  refusalsKept(home: Home, { device, boot }: DeviceName): number {
    return this.#sql.kept.get(home.id, device, boot)?.[0] ?? 0
  }

  /** Uses the number up and stores its refusal. */
  refuse(
    home: Home,
    number: DeviceNumber,
    { id, code }: { readonly id: string; readonly code: string },
  ): void {
    const { device, boot, n } = number
    this.advance(home, number)
    this.#sql.refuse.run(home.id, device, boot, n, id, code)
  }

  /** By number; those of numbers up to `upTo`. */
  refusals(home: Home, { device, boot }: DeviceName, upTo = Number.MAX_SAFE_INTEGER): readonly Refusal[] {
    return this.#sql.refusals.all(home.id, device, boot, upTo).map(([n, id, code]) => ({ n, id, code }))
  }

  /** Refusals below the lowest number still in the app's outbox have been heard. */
  passed(home: Home, { device, boot }: DeviceName, first: number): void {
    this.#sql.passed.run(home.id, device, boot, first)
  }
}
