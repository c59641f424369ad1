#!/usr/bin/env node
// The program: the commands, loaded by way of a cache of what Node has compiled of them before.
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { watchOutput } from './output.ts'
import { keepSignals, signalsOf } from './start/signals.ts'

const words = process.argv.slice(2)
keepSignals(signalsOf(words))
watchOutput(words)

// Threads share the WebAssembly that strips their types, and V8 aborts now and then when it frees code of it (nodejs/node#64500).
setFlagsFromString('--no-wasm-code-gc')

// Beside the packages, which only who may change the program can write; where that cannot be, nothing is cached.
const cache = join(import.meta.dirname, '../node_modules/.cache/dragoman')
enableCompileCache(cache)
process.env['NODE_COMPILE_CACHE'] ??= cache // for threads, which do not inherit what is enabled here
const { run } = await import('./commands.ts')
await run()
