import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import { PathTable, readTarget } from '../../../../core/http/paths.ts'
import { stopwatch } from '../../../support/processor.ts'

test.each([
  ['/', '/', ''],
  ['/v1/messages', '/v1/messages', ''],
  ['/v1/messages?after=1&x=%zz', '/v1/messages', 'after=1&x=%zz'],
  ['/a?b?c', '/a', 'b?c'],
  ['//a///b//', '/a/b/', ''],
  ['/a/', '/a/', ''],
  ['/%E7%8E%8B', '/王', ''],
  ['/%76%31/messages', '/v1/messages', ''],
  ['/a%3Fb', '/a?b', ''],
  ['/...', '/...', ''],
  ['/.well-known/x', '/.well-known/x', ''],
])('the target %s is the path %s, read once (RFC 3986 §6.2.2)', (target, path, query) => {
  expect(readTarget(target)).toEqual({ path, query })
})

test.each([
  ['http://evil.example/admin', 'absolute form'],
  ['*', 'asterisk form'],
  ['admin', 'no slash'],
  ['', 'nothing'],
  ['/a/../admin', 'a dot segment'],
  ['/a/./b', 'a single dot'],
  ['/..', 'a dot segment at the end'],
  ['/a/%2e%2e/admin', 'an encoded dot segment'],
  ['/a/%2E/b', 'an encoded dot'],
  ['/a%2Fb', 'an encoded slash'],
  ['/a%5cb', 'an encoded backslash'],
  ['/a\\b', 'a backslash'],
  ['/a%00b', 'NUL'],
  ['/a%0d%0ab', 'CR LF'],
  ['/a%7fb', 'DEL'],
  ['/%', 'a lone per cent sign'],
  ['/%zz', 'no hexadecimal digits'],
  ['/%c0%af', 'an overlong slash'],
  ['/%ff', 'no UTF-8'],
  ['/a#b', 'a fragment'],
  ['/caf\u00e9', 'a raw byte above ASCII'],
  ['/a b', 'a space'],
])('the target %s is refused: %s (RFC 9112 §3.2)', (target) => {
  expect(() => readTarget(target)).toThrow(expect.objectContaining({ code: 'DECODE_FAILED', status: 400 }))
})

test.each([
  ['/v1/conversations/web%3Aa%2F%2Fb/messages?after=1', '/v1/conversations/web:a//b/messages'],
  ['/v1/conversations/web:a%5C%5cb/messages', String.raw`/v1/conversations/web:a\\b/messages`],
  ['/v1/conversations/x%2F..%2Fy/messages', '/v1/conversations/x/../y/messages'],
  ['//api/v1//conversations/a%2f%2Fb/messages', '/api/v1/conversations/a//b/messages'],
])('%s names a conversation with slashes in its id (DESIGN §11)', (target, path) => {
  expect(readTarget(target).path).toBe(path)
})

test.each([
  '/v1/conversations/a%2Fb/messages/',
  '/v1/conversations/a%2Fb/messages/c',
  '/v1/conversations/a%2Fb',
  '/v1/conversations/a/b%2Fc/messages',
  '/v1/conversations%2Fa%2Fb/messages',
  '/v1/conversations/a%2Fb%00/messages',
  '/v1/conversations/%2e%2e/messages',
  '/v1/requests/a%2Fb/messages',
])('%s is refused: only the id of a conversation may hold encoded slashes', (target) => {
  expect(() => readTarget(target)).toThrow(expect.objectContaining({ code: 'DECODE_FAILED' }))
})

test('whatever the target, the path is canonical, and reading it again encoded gives the same path', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '/',
      '//',
      '.',
      '..',
      '%2e',
      '%2f',
      '%5c',
      '%00',
      '%',
      '?',
      '#',
      '\\',
      ';',
      '%25',
      '%E7%8E%8B',
    ),
    fc.string({ unit: 'binary-ascii', maxLength: 6 }),
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      let target
      try {
        target = readTarget(`/${pieces.join('')}`)
      } catch (error) {
        return error instanceof GatewayError && error.code === 'DECODE_FAILED'
      }
      const { path } = target
      const segments = path.split('/').slice(1)
      const encoded = `/${segments.map(encodeURIComponent).join('/')}`
      const clean = segments.every(
        (segment, at) => (segment !== '' || at === segments.length - 1) && !/^\.{1,2}$/u.test(segment),
      )
      return path.startsWith('/') && clean && !path.includes('\\') && readTarget(encoded).path === path
    }),
  )
})

const table = new PathTable([{ path: '/v1' }, { path: '/v1/messages/' }, { path: '/services/Crm.asmx' }])

test.each([
  ['/v1', '/v1'],
  ['/v1/', '/v1'],
  ['/v1/events/x', '/v1'],
  ['/v1/messages', '/v1/messages/'],
  ['/v1/messages/1/2', '/v1/messages/'],
  ['/services/Crm.asmx/GetOrder', '/services/Crm.asmx'],
])('%s is served by %s: the longest prefix wins', (path, mount) => {
  expect(table.find(path)?.path).toBe(mount)
})

test.each(['/', '/v10', '/v1x/messages', '/services', '/services/Crm.asmxx', '/V1', '/constructor'])(
  'nothing serves %s: a prefix ends where a segment ends',
  (path) => {
    expect(table.find(path)).toBeUndefined()
  },
)

test('a mount at / serves what nothing else does', () => {
  const all = new PathTable([{ path: '/' }, { path: '/v1' }])
  expect(['/', '/x/y', '/v1/x'].map((path) => all.find(path)?.path)).toEqual(['/', '/', '/v1'])
})

test.each([
  ['twice', ['/a', '/a/']],
  ['not canonical', ['/a/../b']],
  ['doubled', ['/a//b']],
  ['relative', ['a']],
])('a table with a path that stands %s is refused', (_what, paths) => {
  expect(() => new PathTable(paths.map((path) => ({ path })))).toThrow(TypeError)
})

test('a path of thousands of segments is looked up as fast as a short one', () => {
  const long = '/a'.repeat(8000)
  const watch = stopwatch()
  for (let round = 0; round < 200; round += 1) table.find(long)
  expect(watch()).toBeLessThan(500) // chopping segment by segment takes seconds
})
