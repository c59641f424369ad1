// Subjects with names in them: `orders.{orderNo}.get` is what we publish to, or, with `*` for each name, what we listen to.
import type { Json } from 'dragoman'
import { z } from 'zod'

const NAME = /^\{(\w{1,64})\}$/
/** A token as NATS takes it, without its wildcards. */
const TOKEN = /^[^\s.*>{}\p{Cc}]+$/u
const MOST_CHARACTERS = 256

export const subjectTemplate = z
  .string()
  .max(MOST_CHARACTERS)
  .refine(
    (subject) => subject.split('.').every((token) => NAME.test(token) || TOKEN.test(token)),
    'expected tokens with dots between them, each a text or {name}, such as orders.{orderNo}.get',
  )

/** What to subscribe to. */
export function filterOf(template: string): string {
  return template
    .split('.')
    .map((token) => (NAME.test(token) ? '*' : token))
    .join('.')
}

/** The names and their tokens; undefined: the subject is not one of this template. */
export function readSubject(template: string, subject: string): Readonly<Record<string, string>> | undefined {
  const wanted = template.split('.')
  const given = subject.split('.')
  if (wanted.length !== given.length) return undefined
  const found: [string, string][] = []
  for (const [index, token] of wanted.entries()) {
    const name = NAME.exec(token)?.[1]
    const here = given[index] ?? ''
    if (name !== undefined) found.push([name, here])
    else if (token !== here) return undefined
  }
  return Object.fromEntries(found)
}

/** Why a subject cannot be made of these parameters. */
export class SubjectError extends Error {}

/** The subject for a call. A value that would be several tokens, or a wildcard, is refused: it would reach somebody else. */
export function writeSubject(template: string, params: Json): string {
  const subject = template.replace(/\{(\w+)\}/g, (_all, name: string) => {
    const value = memberOf(params, name)
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean')
      throw new SubjectError(`"${name}" is missing: it stands in the subject ${template}`)
    const token = String(value)
    if (!TOKEN.test(token))
      throw new SubjectError(`"${name}" cannot stand in a subject: no dots, spaces, * or > please`)
    return token
  })
  if (subject.length > MOST_CHARACTERS)
    throw new SubjectError(`the subject would have more than ${MOST_CHARACTERS} characters`)
  return subject
}

function memberOf(params: Json, name: string): Json | undefined {
  if (typeof params !== 'object' || params === null || Array.isArray(params)) return undefined
  return Object.hasOwn(params, name) ? (params as Readonly<Record<string, Json>>)[name] : undefined // an object
}
