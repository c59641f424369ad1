import { expect, test } from 'vitest'
import { isCrossSite } from '../../../../adapters/data/cross-site.ts'

const at = (headers: Readonly<Record<string, string>>, origin = 'http://desk.example:8080'): boolean =>
  isCrossSite({ headers, origin })

test('programs say nothing of where they come from', () => {
  expect(at({})).toBe(false)
})

test('over plain http only Origin tells: another host, port or scheme is another site, and none is one', () => {
  expect(at({ origin: 'http://desk.example:8080' })).toBe(false)
  for (const origin of [
    'http://evil.example',
    'http://desk.example',
    'https://desk.example:8080',
    'null',
    '',
    'http://desk.example:8080, http://evil.example',
  ])
    expect(at({ origin }), origin).toBe(true)
})

test('our own address may have a path, a port that is usual and capitals (RFC 6454 §4)', () => {
  expect(at({ origin: 'https://desk.example' }, 'HTTPS://Desk.example:443/gw')).toBe(false)
  expect(at({ origin: 'https://desk.example:443' }, 'https://desk.example/gw')).toBe(true)
})

test('Sec-Fetch-Site is believed before Origin (Fetch Metadata §2.3)', () => {
  const origin = 'http://renamed.example'
  expect(at({ 'sec-fetch-site': 'cross-site' })).toBe(true)
  expect(at({ 'sec-fetch-site': 'same-origin', origin })).toBe(false)
  expect(at({ 'sec-fetch-site': 'none', origin })).toBe(false)
  expect(at({ 'sec-fetch-site': 'same-site', origin })).toBe(true)
  expect(at({ 'sec-fetch-site': 'same-site' })).toBe(false)
})
