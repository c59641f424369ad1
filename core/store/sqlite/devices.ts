// What the store knows of a customer's devices: their uplink numbers, stored refusals and cursors (DESIGN §12, SEMANTICS 13, 14).
import type { Refusal } from '../store.ts'
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
  | { readonly status: 'next' }
  | { readonly status: 'gap'; readonly next: number }
  | { readonly status: 'refused'; readonly id: string; readonly code: string }
  | { readonly status: 'used'; readonly next: number }

export class Devices {
  readonly #ground: Ground
  readonly #sql

  constructor(ground: Ground) {
    this.#ground = ground
    const { db } = ground
    const one = 'home = ? AND device = ? AND boot = ?'
    this.#sql = {
      get: query<readonly [last: number, cursor: number]>(db, `SELECT last, cursor FROM device WHERE ${one}`),
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
        `SELECT n, id, code FROM refusal WHERE ${one} ORDER BY n`,
      ),
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
  next(home: Home | undefined, { device, boot, n }: DeviceName & { readonly n: number }): NextNumber {
    const last = home === undefined ? 0 : (this.get(home, { device, boot })?.last ?? 0)
    if (n === last + 1) return { status: 'next' }
    if (n > last + 1) return { status: 'gap', next: last + 1 }
    const refused = home === undefined ? undefined : this.#sql.refused.get(home.id, device, boot, n)
    if (refused !== undefined) return { status: 'refused', id: refused[0], code: refused[1] }
    return { status: 'used', next: last + 1 }
  }

  advance(home: Home, { device, boot, n }: DeviceName & { readonly n: number }): void {
    this.#sql.advance.run(home.id, device, boot, n, this.#ground.clock.now)
  }

  /** Uses the number up and stores its refusal. */
  refuse(
    home: Home,
    named: DeviceName & { readonly n: number; readonly refuse?: { readonly code: string } },
    id: string,
  ): void {
    this.advance(home, named)
    this.#sql.refuse.run(
      home.id,
      named.device,
      named.boot,
      named.n,
      id,
      named.refuse?.code ?? 'DECODE_FAILED',
    )
  }

  refusals(home: Home, { device, boot }: DeviceName): readonly Refusal[] {
    return this.#sql.refusals.all(home.id, device, boot).map(([n, id, code]) => ({ n, id, code }))
  }

  /** Refusals below the lowest number still in the app's outbox have been heard. */
  passed(home: Home, { device, boot }: DeviceName, first: number): void {
    this.#sql.passed.run(home.id, device, boot, first)
  }
}
