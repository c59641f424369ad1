// Started by open-files.test.ts under `ulimit -n 64`: prints its port and what it has refused, ends with its stdin.
import { closeSync, openSync } from 'node:fs'
import { openFilesLeft } from '../../../../core/http/open-files.ts'
import { running } from './raw-client.ts'

const [mode] = process.argv.slice(2)
const held: number[] = []
const edge = await running({ http: { maxConnections: 100_000 } })

function isOutOfFiles(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EMFILE'
}

let left = Number.NaN

/** Takes every file there is, so that accept fails. */
function eatFiles(): void {
  try {
    for (;;) held.push(openSync('/dev/null', 'r'))
  } catch (error) {
    if (!isOutOfFiles(error)) throw error
  }
}

function tell(): void {
  try {
    left = openFilesLeft() ?? Number.NaN
  } catch (error) {
    if (!isOutOfFiles(error)) throw error
    left = 0 // counting them takes one
  }
  const refused: Record<string, number> = {}
  for (const reason of edge.refused) refused[reason] = (refused[reason] ?? 0) + 1
  process.stdout.write(`${JSON.stringify({ port: edge.port, refused, left })}\n`)
}

tell()
if (mode === 'eat-files') eatFiles()
const telling = setInterval(tell, 50)
process.stdin.on('data', () => {
  for (const file of held.splice(0)) closeSync(file)
})
process.stdin.on('end', () => {
  clearInterval(telling)
  void edge.edge.drain(0)
})
