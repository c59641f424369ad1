// Makes JavaScript of TypeScript files, in a thread of its own: it takes a moment, and warns of being experimental where no log listens.
import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'

if (parentPort === null) throw new Error('the strip worker is started by page.ts')
const port = parentPort
const tell = (scripts: readonly string[]): void => port.postMessage(scripts)

const files = workerData as readonly string[] // as page.ts gives them
tell(files.map((file) => stripTypeScriptTypes(readFileSync(new URL(file), 'utf8'))))
