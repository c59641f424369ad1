#!/usr/bin/env node
// The program: the commands, loaded by way of a cache of what Node has compiled of them before.
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'

// Beside the packages, which only who may change the program can write; where that cannot be, nothing is cached.
enableCompileCache(join(import.meta.dirname, '../node_modules/.cache/dragoman'))
const { run } = await import('./commands.ts')
await run()
