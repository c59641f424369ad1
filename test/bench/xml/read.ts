// Reading, in its own process: our reader beside saxes alone, small and large. Prints one JSON line.
import { SaxesParser } from 'saxes'
import { readXml } from '../../../adapters/xml/read.ts'
import { documentOf, envelope } from './documents.ts'

export interface Reading {
  /** Documents of 1 kB per second of processor time. */
  readonly ours: number
  readonly saxes: number
  /** Milliseconds of processor time of one document, by its megabytes. */
  readonly megabytes: Readonly<Record<number, { readonly ours: number; readonly saxes: number }>>
}

const utf8 = new TextDecoder()

/** What a program cannot do without: bytes to text, and the three events. */
function withSaxes(bytes: Uint8Array): number {
  const parser = new SaxesParser({ xmlns: true })
  let seen = 0
  parser.on('opentag', ({ attributes }) => (seen += Object.keys(attributes).length + 1))
  parser.on('text', (run) => (seen += run.length))
  parser.on('closetag', () => (seen += 1))
  parser.write(utf8.decode(bytes)).close()
  return seen
}

function withOurs(bytes: Uint8Array): number {
  return readXml(bytes, { maxBytes: 64 * 1024 * 1024 }).root.children.length
}

/** Processor time of some work in milliseconds: what other programs take does not count. */
function cpuMs(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

function perSecond(read: (bytes: Uint8Array) => number, bytes: Uint8Array): number {
  const ms = cpuMs(() => {
    for (let index = 0; index < 4000; index += 1) read(bytes)
  })
  return 4_000_000 / ms
}

function fastest(read: (bytes: Uint8Array) => number, bytes: Uint8Array, times: number): number {
  return Math.min(...Array.from({ length: times }, () => cpuMs(() => void read(bytes))))
}

/** In turn, so that what else the machine does meets both. */
export function measure(): Reading {
  const small = new TextEncoder().encode(envelope)
  const rates: Record<'ours' | 'saxes', number[]> = { ours: [], saxes: [] }
  for (let round = 0; round < 6; round += 1) {
    rates.ours.push(perSecond(withOurs, small))
    rates.saxes.push(perSecond(withSaxes, small))
  }
  const megabytes: Record<number, { ours: number; saxes: number }> = {}
  for (const size of [1, 10]) {
    const bytes = new TextEncoder().encode(documentOf(size * 1024 * 1024))
    const times = size === 1 ? 8 : 3
    megabytes[size] = { ours: fastest(withOurs, bytes, times), saxes: fastest(withSaxes, bytes, times) }
  }
  return { ours: Math.max(...rates.ours), saxes: Math.max(...rates.saxes), megabytes }
}

if (import.meta.main) console.log(JSON.stringify(measure()))
