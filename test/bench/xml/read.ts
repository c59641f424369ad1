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

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
}

/** In turn, so that what else the machine does meets both. */
export function measure(): Reading {
  const small = new TextEncoder().encode(envelope)
  const rates: Record<'ours' | 'saxes', number[]> = { ours: [], saxes: [] }
  for (let round = 0; round < 6; round += 1) {
    rates.ours.push(perSecond(withOurs, small))
    rates.saxes.push(perSecond(withSaxes, small))
  }
  const sizes = [1, 10].map((size) => ({
    size,
    bytes: new TextEncoder().encode(documentOf(size * 1024 * 1024)),
    ours: [] as number[],
    saxes: [] as number[],
  }))
  // The sizes in turn too: a heap that has held a large document collects otherwise than one that has not.
  for (let round = 0; round < 6; round += 1)
    for (const { bytes, ours, saxes } of sizes) {
      ours.push(cpuMs(() => void withOurs(bytes)))
      saxes.push(cpuMs(() => void withSaxes(bytes)))
    }
  const megabytes = Object.fromEntries(
    sizes.map(({ size, ours, saxes }) => [size, { ours: median(ours), saxes: median(saxes) }]),
  )
  return { ours: Math.max(...rates.ours), saxes: Math.max(...rates.saxes), megabytes }
}

if (import.meta.main) console.log(JSON.stringify(measure()))
