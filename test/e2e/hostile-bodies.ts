// Bodies that nothing takes, whatever the endpoint.
import { gzipSync } from 'node:zlib'
import { BODY_LIMIT } from './hostile-world.ts'
import type { Headers } from './hostile-world.ts'

/** A name, the body, more headers, and the answer: status and code. */
export type BadBody = readonly [string, string | Uint8Array, Headers, number, string]

/** 20 MB of blanks in 20 kB. */
export const bomb = gzipSync(Buffer.alloc(20 * 1024 * 1024, ' '))

/** A good body with bytes in its one text. */
export function around(bytes: readonly number[], good: (text: string) => string): Uint8Array {
  const [head = '', tail = ''] = good('|').split('|')
  return Buffer.concat([Buffer.from(head), Buffer.from(bytes), Buffer.from(tail)])
}

/** What every endpoint that takes JSON refuses; `good` makes a body it would take, around a text. */
export function badJson(good: (text: string) => string): readonly BadBody[] {
  const whole = good('hello')
  return [
    ['a truncated body', whole.slice(0, -3), {}, 400, 'DECODE_FAILED'],
    ['no body', '', {}, 400, 'DECODE_FAILED'],
    ['what is not JSON', 'hello=world', {}, 400, 'DECODE_FAILED'],
    ['XML', '<a/>', {}, 400, 'DECODE_FAILED'],
    ['two documents', whole + whole, {}, 400, 'DECODE_FAILED'],
    ['a body above the limit', good('x'.repeat(BODY_LIMIT)), {}, 413, 'TOO_LARGE'],
    ['a gzip bomb', bomb, { 'content-encoding': 'gzip' }, 413, 'TOO_LARGE'],
    ['broken gzip', 'not gzip', { 'content-encoding': 'gzip' }, 400, 'DECODE_FAILED'],
    ['cut gzip', gzipSync(whole).subarray(0, 20), { 'content-encoding': 'gzip' }, 400, 'DECODE_FAILED'],
    ['a coding nobody asked for', whole, { 'content-encoding': 'br' }, 415, 'UNSUPPORTED_MEDIA'],
    ['two codings', whole, { 'content-encoding': 'gzip, gzip' }, 415, 'UNSUPPORTED_MEDIA'],
    ['another media type', whole, { 'content-type': 'text/plain' }, 415, 'UNSUPPORTED_MEDIA'],
    ['a form', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' }, 415, 'UNSUPPORTED_MEDIA'],
    ['a media type that is none', whole, { 'content-type': ';;=' }, 415, 'UNSUPPORTED_MEDIA'],
    // RFC 8259 §8.1
    ['another charset', whole, { 'content-type': 'application/json; charset=gbk' }, 415, 'UNSUPPORTED_MEDIA'],
    ['UTF-16', Buffer.from(whole, 'utf16le'), {}, 400, 'DECODE_FAILED'],
    ['bytes that are no UTF-8', around([0xff, 0xfe], good), {}, 400, 'DECODE_FAILED'],
    ['an overlong form of a slash', around([0xc0, 0xaf], good), {}, 400, 'DECODE_FAILED'],
    ['a surrogate as UTF-8', around([0xed, 0xa0, 0x80], good), {}, 400, 'DECODE_FAILED'],
    ['half a surrogate pair', good(String.raw`\ud800`), {}, 400, 'DECODE_FAILED'],
    ['a raw control character', good('a\u0001b'), {}, 400, 'DECODE_FAILED'],
    ['60,000 levels', '['.repeat(30_000) + ']'.repeat(30_000), {}, 400, 'DECODE_FAILED'],
    ['9,000 levels of objects', `${'{"a":'.repeat(9000)}1${'}'.repeat(9000)}`, {}, 400, 'DECODE_FAILED'],
  ]
}
