// What is said of a listener's certificate as its end comes near.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { CertificateTerm } from '../../../../core/http/certificate-term.ts'
import { recordingLog } from './recording-log.ts'

const DAY_MS = 86_400_000
const from = Date.parse('2026-01-01T00:00:00Z')

beforeEach(() => void vi.useFakeTimers({ now: from + DAY_MS }))
afterEach(() => void vi.useRealTimers())

const until = (days: number) => ({
  validFromDate: new Date(from),
  validToDate: new Date(from + days * DAY_MS),
})

function watched() {
  const { log, lines } = recordingLog()
  return {
    term: new CertificateTerm(log, 'cert.pem'),
    told: () => lines.map(({ message }) => message),
    lines,
  }
}

test('a certificate that nobody renews is said once 14 days before its end, and once when that has come', async () => {
  const { term, told, lines } = watched()
  term.begin(until(30))
  await vi.advanceTimersByTimeAsync(14 * DAY_MS)
  expect(told()).toEqual([])
  await vi.advanceTimersByTimeAsync(2 * DAY_MS)
  expect(told()).toEqual(['the certificate of http.tls ends soon'])
  await vi.advanceTimersByTimeAsync(20 * DAY_MS)
  expect(told()).toEqual([
    'the certificate of http.tls ends soon',
    'the time of the certificate of http.tls is over: callers refuse it',
  ])
  expect(lines.map(({ fields }) => fields)).toEqual([
    { file: 'cert.pem', validTo: '2026-01-31T00:00:00.000Z' },
    { file: 'cert.pem', validTo: '2026-01-31T00:00:00.000Z' },
  ])
})

test('of a start only what changes is said: how it stands the notices of the config have said', async () => {
  const { term, told } = watched()
  term.begin(until(10))
  await vi.advanceTimersByTimeAsync(8 * DAY_MS)
  expect(told()).toEqual([])
  await vi.advanceTimersByTimeAsync(2 * DAY_MS)
  expect(told()).toHaveLength(1)
})

test('one that comes in its place is said at once where callers refuse it, and again begun to be watched', async () => {
  const { term, told } = watched()
  term.begin(until(5))
  term.renew(until(0))
  expect(told().splice(0)).toEqual(['the time of the certificate of http.tls is over: callers refuse it'])
  term.renew({ validFromDate: new Date(from + 2 * DAY_MS), validToDate: new Date(from + 90 * DAY_MS) })
  expect(told().at(-1)).toBe('the certificate of http.tls is not valid yet: callers refuse it')
  await vi.advanceTimersByTimeAsync(60 * DAY_MS)
  expect(told()).toHaveLength(2)
  term.end()
  await vi.advanceTimersByTimeAsync(60 * DAY_MS)
  expect(told()).toHaveLength(2)
})
