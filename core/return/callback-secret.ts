// The secret of callback tokens and status addresses: one for all instances and lives, kept in the store.
import { createHmac, createSecretKey, randomBytes, timingSafeEqual } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { GatewayError } from '../api.ts'
import type { Json, Log } from '../api.ts'
import { readAtHints } from '../store/hints.ts'
import type { Store } from '../store/store.ts'

export interface Signer {
  /** In base64url, under the secret that all instances have by now. */
  sign(text: string): string
  /** Also under those of data that is gone since: what was given out goes on to count. */
  isSigned(text: string, mac: string): boolean
}

const KEY = 'core/callback-secret'
/** Those of data that is gone since, as a list, the last first. Instances of an earlier version do not know of it. */
const FORMER_KEY = 'core/callback-secrets-former'
const MOST_FORMER = 8

interface Secret {
  readonly text: string
  readonly key: KeyObject
}

/**
 * Every instance, and the next life, accepts what this one gave out. Where the store's data becomes another one (it wakes all who watch
 * then), the secret is put there again; another instance's that came first is signed with from then on, and the own one is put among the
 * former ones, which count on every instance. It watches until the store is closed. Rejects as `store.value` does.
 */
export async function loadCallbackSecret(store: Pick<Store, 'value' | 'watch'>, log: Log): Promise<Signer> {
  const watch = store.watch([`value:${KEY}`, `value:${FORMER_KEY}`])
  let current = await agreed(store, secretOf(randomBytes(32).toString('base64url')))
  let former: readonly Secret[] = []
  /** The others know of all that are former here. */
  let isTold = true
  await share()
  void readAtHints(
    watch,
    async () => {
      const found = await agreed(store, current)
      if (found.text !== current.text) {
        former = lastOf([current, ...former])
        current = found
        isTold = false
      }
      await share()
    },
    (error) =>
      log.warn(
        'whether all instances have one secret for callbacks could not be looked at: it is tried again',
        {
          error: GatewayError.from(error).message,
        },
      ),
  )

  /** What is told once is not put back where others have dropped it, or two would go on for ever. */
  async function share(): Promise<void> {
    for (;;) {
      const { value, version = 'absent' } = await store.value({ key: FORMER_KEY })
      if (version === 'absent') isTold = former.length === 0
      const theirs = secretsIn(value)
      former = lastOf(isTold ? [...theirs, ...former] : [...former, ...theirs])
      if (isTold) return
      const put = former.map(({ text }) => text)
      const result = await store.value({ key: FORMER_KEY, expect: version, put, announce: true })
      isTold = result.status === 'ok'
    }
  }

  return {
    sign: (text) => mac(current, text),
    isSigned(text, given) {
      const actual = Buffer.from(given)
      return [current, ...former].some((secret) => {
        const expected = Buffer.from(mac(secret, text))
        return actual.length === expected.length && timingSafeEqual(actual, expected)
      })
    },
  }
}

/** This one, if the store has none. */
async function agreed(store: Pick<Store, 'value'>, own: Secret): Promise<Secret> {
  const put = await store.value({ key: KEY, expect: 'absent', put: own.text })
  if (put.status === 'ok') return own
  if (typeof put.value !== 'string')
    throw new GatewayError('INTERNAL', `the stored value ${KEY} is not a text`)
  return put.value === own.text ? own : secretOf(put.value)
}

function lastOf(secrets: readonly Secret[]): readonly Secret[] {
  const byText = new Map(secrets.map((secret) => [secret.text, secret]))
  return [...byText.values()].slice(0, MOST_FORMER)
}

function secretsIn(value: Json | undefined): readonly Secret[] {
  const texts = Array.isArray(value) ? value : []
  return texts.filter((text) => typeof text === 'string').map(secretOf)
}

function secretOf(text: string): Secret {
  return { text, key: createSecretKey(Buffer.from(text, 'base64url')) }
}

function mac({ key }: Secret, text: string): string {
  return createHmac('sha256', key).update(text).digest('base64url')
}
