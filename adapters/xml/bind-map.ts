// apachesoap:Map, pairs of any keys and values, as the JSON object it mostly is.
import type { Json } from 'dragoman'
import { getMember, isObject, setMember } from './bind-context.ts'
import type { JsonObject } from './bind-context.ts'

type Members = { readonly [member: string]: Json }

const typeKeys: ReadonlySet<string> = new Set(['@type', '@xsi:type'])

/**
 * `{ "item": [{ "key", "value" }] }` as an object whose members are the keys. It stays pairs where an object would not say
 * the same: keys that are no strings, that stand twice, or that JSON has another meaning for.
 */
export function membersOfMap(pairs: Members): Members {
  const { item, ...said } = pairs
  const members: JsonObject = { ...said }
  for (const pair of Array.isArray(item) ? (item satisfies readonly Json[]) : []) {
    const key = isObject(pair) ? keyOf(getMember(pair, 'key')) : undefined
    if (!isObject(pair) || key === undefined || /^[@#]/.test(key) || Object.hasOwn(members, key)) return pairs
    setMember(members, key, getMember(pair, 'value') ?? null)
  }
  return arePairs(members) ? pairs : members
}

/** The inverse: the pairs of an object, which may be pairs already. */
export function pairsOfMap(value: Json): Json {
  if (!isObject(value) || arePairs(value)) return value
  const entries = Object.entries(value)
  return {
    ...Object.fromEntries(entries.filter(([key]) => typeKeys.has(key))),
    item: entries.flatMap(([key, one]) => (typeKeys.has(key) ? [] : [{ key, value: one }])),
  }
}

function keyOf(key: Json | undefined): string | undefined {
  const text = key !== undefined && isObject(key) && key['@type'] === 'string' ? key['#text'] : key
  return typeof text === 'string' ? text : undefined
}

function arePairs(value: Members): boolean {
  const item = getMember(value, 'item')
  const isOnly = Object.keys(value).every((key) => key === 'item' || typeKeys.has(key))
  return (
    isOnly && Array.isArray(item) && item.every((one: Json) => isObject(one) && Object.hasOwn(one, 'key'))
  )
}
