// Homes and conversations: who owns which name, where log and inbox end, and the append that moves both ends together.
import type { DatabaseSync } from 'node:sqlite'
import { GatewayError } from '../../api.ts'
import { customerOf } from '../homes.ts'
import type { ConversationPatch } from '../store.ts'
import type { Counters } from './counters.ts'
import { query } from './database.ts'
import { keyOf, keysOf } from './place-key.ts'
import { Recent } from './recent.ts'

const CACHED = 20_000
/** The stream of the home's inbox among its conversations. */
const INBOX = 0

export interface Home {
  readonly id: number
  readonly name: string
  epoch: number
  /** The last inbox offset given out. */
  top: number
  readonly oldest: number
}

export interface Place {
  readonly id: number
  readonly key: string
  readonly name: string
  readonly home: number
  /** The last sequence given out. */
  top: number
  readonly oldest: number
  ownerEpoch: number
  agent: string | null
}

export interface Entry {
  readonly id: string
  readonly body: string
  /** The log row that it was accepted for, or that a note answers. An outcome names the replies. */
  readonly cause: number | null
  readonly inbox: boolean
  readonly at: number
}

export interface Appended {
  readonly log: number
  readonly sequence: number
  readonly offset: number | undefined
}

type HomeRow = readonly [id: number, epoch: number, top: number, oldest: number]
type PlaceRow = readonly [
  id: number,
  home: number,
  top: number,
  oldest: number,
  ownerEpoch: number,
  agent: string | null,
]

/** What the cache holds is the truth of the open transaction: it is emptied whenever something is rolled back. */
export class Heads {
  readonly #homes = new Recent<Home>(CACHED)
  readonly #places = new Recent<Place>(CACHED)
  readonly #counters: Counters
  readonly #sql

  constructor(db: DatabaseSync, counters: Counters) {
    this.#counters = counters
    this.#sql = {
      home: query<HomeRow>(
        db,
        `SELECT id, epoch, max(top, coalesce((SELECT max(n) FROM entry WHERE home = place.id AND stream = 0), 0)), oldest
         FROM place WHERE key = ? AND kind = 0`,
      ),
      newHome: query(db, 'INSERT INTO place (key, kind, id, epoch) VALUES (?, 0, ?, 1)'),
      raiseInboxEpoch: query(db, 'UPDATE place SET epoch = ? WHERE key = ? AND kind = 0'),
      place: query<PlaceRow>(
        db,
        `SELECT id, home, max(top, coalesce((SELECT max(n) FROM entry WHERE home = place.home AND stream = place.id), 0)),
           oldest, epoch, agent
         FROM place WHERE key = ? AND kind = 1`,
      ),
      newPlace: query(
        db,
        'INSERT INTO place (key, kind, id, epoch, home, home_name, customer, channel) VALUES (?, 1, ?, 0, ?, ?, ?, ?)',
      ),
      patchPlace: query(
        db,
        'UPDATE place SET epoch = ?, agent = ?, ticket = coalesce(?, ticket) WHERE key = ? AND kind = 1',
      ),
      append: query(db, 'INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (message) DO NOTHING'),
      enter: query(db, 'INSERT INTO entry VALUES (?, ?, ?, ?)'),
    }
  }

  home(name: string): Home | undefined {
    const cached = this.#homes.get(name)
    if (cached !== undefined) return cached
    const row = this.#sql.home.get(keyOf(name))
    if (row === undefined) return undefined
    const home: Home = { id: row[0], name, epoch: row[1], top: row[2], oldest: row[3] }
    this.#homes.set(name, home)
    return home
  }

  homeOrNew(name: string): Home {
    return this.home(name) ?? this.newHome(name)
  }

  /** For who has looked and found none. */
  newHome(name: string): Home {
    const id = this.#counters.newId()
    this.#sql.newHome.run(keyOf(name), id)
    const home: Home = { id, name, epoch: 1, top: 0, oldest: 1 }
    this.#homes.set(name, home)
    return home
  }

  place(name: string): Place | undefined {
    const cached = this.#places.get(name)
    if (cached !== undefined) return cached
    const key = keyOf(name)
    const row = this.#sql.place.get(key)
    if (row === undefined) return undefined
    const [id, home, top, oldest, ownerEpoch, agent] = row
    const place: Place = { id, key, name, home, top, oldest, ownerEpoch, agent }
    this.#places.set(name, place)
    return place
  }

  /** SEMANTICS 9: the conversation if it is this home's, undefined if it is nobody's yet. Throws `FORBIDDEN` if another has it. */
  placeOf(name: string, home: Home | undefined): Place | undefined {
    const place = this.place(name)
    if (place !== undefined && place.home !== home?.id)
      throw new GatewayError('FORBIDDEN', `conversation "${name}" belongs to another customer`)
    return place
  }

  /** Binds a new conversation to its home for ever. */
  bind(name: string, home: Home, channel: string): Place {
    const id = this.#counters.newId()
    const key = keyOf(name)
    const customer = customerOf(home.name)
    const isNamedByKey = key.startsWith(keysOf(customer)[0])
    this.#sql.newPlace.run(key, id, home.id, home.name, isNamedByKey ? null : customer, channel)
    const place: Place = { id, key, name, home: home.id, top: 0, oldest: 1, ownerEpoch: 0, agent: null }
    this.#places.set(name, place)
    return place
  }

  /** Log row and entries in one step (SEMANTICS 10). Undefined: this id is in the log already, and nothing was written. */
  append(place: Place, home: Home, { id, body, cause, inbox, at }: Entry): Appended | undefined {
    const log = this.#counters.newId()
    const sequence = place.top + 1
    const offset = inbox ? home.top + 1 : undefined
    const { changes } = this.#sql.append.run(log, place.key, sequence, id, cause, offset ?? null, at, body)
    if (changes === 0) return undefined
    this.#sql.enter.run(home.id, place.id, sequence, log)
    if (offset !== undefined) {
      this.#sql.enter.run(home.id, INBOX, offset, log)
      home.top = offset
    }
    place.top = sequence
    return { log, sequence, offset }
  }

  patch(place: Place, { agent, ticket, raiseEpoch }: ConversationPatch): void {
    const epoch = place.ownerEpoch + (raiseEpoch === true ? 1 : 0)
    const owner = agent === undefined ? place.agent : agent
    this.#sql.patchPlace.run(epoch, owner, ticket === undefined ? null : JSON.stringify(ticket), place.key)
    place.ownerEpoch = epoch
    place.agent = owner
  }

  /** A new epoch makes every cursor into this inbox unusable (SEMANTICS 12, 13). */
  raiseInboxEpoch(home: Home): void {
    this.#sql.raiseInboxEpoch.run(home.epoch + 1, keyOf(home.name))
    home.epoch++
  }

  forget(): void {
    this.#homes.clear()
    this.#places.clear()
  }
}

/** A home is `NAMESPACE/CUSTOMER`; the customer's id may hold slashes itself. */

/** What an inbox's cursors are given out under: it holds the incarnation. */
export function epochName(incarnation: string, home: Home): string {
  return `${incarnation}.${home.epoch}`
}
