// Several processes' output as one: whole lines only, so that none stands in the middle of another.
import type { Readable } from 'node:stream'

/** A line that goes on for longer is passed on in pieces. */
const LONGEST_CHARS = 1_048_576

/** Passes on what is read, cut at the ends of lines; at the end also what is no whole line. */
export function passOnLines(from: Readable, write: (lines: string) => void): void {
  let rest = ''
  from.setEncoding('utf8')
  from.on('data', (piece: string) => {
    const end = piece.lastIndexOf('\n')
    if (end < 0) rest += piece
    else {
      write(rest + piece.slice(0, end + 1))
      rest = piece.slice(end + 1)
    }
    if (rest.length <= LONGEST_CHARS) return
    write(rest)
    rest = ''
  })
  from.on('end', () => {
    if (rest !== '') write(`${rest}\n`)
    rest = ''
  })
  from.on('error', () => undefined) // its process has ended
}
