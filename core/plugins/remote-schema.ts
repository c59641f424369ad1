// A schema that lives in a plugin's worker. It cannot answer at once the first time it is asked, so whoever needs that asks again.
import type { Schema, SchemaResult } from '../api.ts'
import type { ComponentRole, Validated } from './contract.ts'
import { configText } from './wire.ts'

/** Which schemas were asked something new, so that the same work done again gets its answers at once. */
export class Questions {
  readonly asked = new Set<Promise<unknown>>()
  /** Answers that say no more than that nobody was there to ask. */
  readonly passing = new Set<() => void>()
}

/** What the file said, by what the schema made of it: a component is made over there, from its input. */
const inputs = new WeakMap<object, string>()
const MOST_KNOWN = 10_000
/** A question may follow from an answer; more often than that it is another one each time. */
const MOST_ROUNDS = 20

export interface RemoteSchema {
  readonly role: ComponentRole
  readonly jsonSchema: unknown
  readonly ask: (config: string) => Promise<Validated>
  readonly questions: Questions
}

/**
 * Answers a question it has answered before at once, and any other with a promise (Standard Schema allows both). It has
 * the editors' JSON Schema, as its original has.
 */
export function remoteSchema({ jsonSchema, ask, questions }: RemoteSchema): Schema<unknown> {
  const known = new Map<string, SchemaResult<unknown>>()

  async function answer(config: string): Promise<SchemaResult<unknown>> {
    const result = await ask(config)
    for (const oldest of known.keys()) if (known.size >= MOST_KNOWN) known.delete(oldest)
    known.set(config, result)
    if (result.isPassing === true) questions.passing.add(() => known.delete(config))
    if (result.issues === undefined && typeof result.value === 'object' && result.value !== null)
      inputs.set(result.value, config)
    return result
  }

  const standard = {
    version: 1,
    vendor: 'dragoman-plugin',
    validate(value: unknown) {
      const config = configText(value)
      const before = known.get(config)
      if (before !== undefined) return before
      const answered = answer(config)
      questions.asked.add(answered)
      return answered
    },
    ...(jsonSchema !== undefined && { jsonSchema: { input: () => jsonSchema } }),
  } as const
  return { '~standard': standard }
}

/** The text that a config was checked as. */
export function inputOf(config: unknown): string {
  const known = typeof config === 'object' && config !== null ? inputs.get(config) : undefined
  return known ?? configText(config)
}

/** Does work that reads schemas until all it asks has been answered. What it throws at last is thrown. */
export async function untilAnswered<T>({ asked, passing }: Questions, work: () => T): Promise<T> {
  for (const forget of passing) forget()
  passing.clear()
  for (let round = 1; ; round++) {
    asked.clear()
    let outcome: () => T
    try {
      const value = work()
      outcome = () => value
    } catch (error) {
      outcome = () => {
        throw error
      }
    }
    if (asked.size === 0 || round === MOST_ROUNDS) return outcome()
    await Promise.allSettled(asked)
  }
}
