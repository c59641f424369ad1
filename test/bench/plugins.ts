// What a plugin's worker costs: a backend call of 1 kB alone, and through a whole gateway fifty at a time, in process and in the worker. `node test/bench/plugins.ts [SECONDS]`
import { fork } from 'node:child_process'
import { once } from 'node:events'
import autocannon from 'autocannon'
import { defineAdapter } from '../../core/api.ts'
import type { Adapter } from '../../core/api.ts'
import { openHouse } from '../support/house.ts'

type Place = 'in process' | 'in a worker'

const [first = '3', place] = process.argv.slice(2)
const seconds = Number(first)

/** Both are this text: one as a module of this process, one as a plugin. */
const source = `
import { defineAdapter } from 'dragoman'
import { z } from 'zod'
export default defineAdapter({
  name: 'bench',
  apiVersion: 1,
  backend: {
    config: z.strictObject({}),
    create: () => ({
      operations: { Look: { safe: true } },
      call: async ({ params }) => ({ data: params }),
      async [Symbol.asyncDispose]() {},
    }),
  },
})
`
const inProcess: Adapter = defineAdapter({
  name: 'bench',
  apiVersion: 1,
  backend: {
    config: { '~standard': { version: 1, vendor: 'bench', validate: (value) => ({ value }) } },
    create: () => ({
      operations: { Look: { safe: true } },
      call: async ({ params }) => ({ data: params }),
      async [Symbol.asyncDispose]() {
        // nothing is held
      },
    }),
  },
})
const yaml = `
channels: { web: { adapter: rest } }
backends: { bench: { adapter: bench } }
routes: [{ backend: bench }]
`
const body = JSON.stringify({
  lines: Array.from({ length: 10 }, (_, n) => ({ sku: `00${n}`, text: 'x'.repeat(80) })),
})

/** A gateway in a process of its own. */
async function serve(where: Place): Promise<void> {
  const house = await openHouse(
    where === 'in process' ? { yaml, adapters: [inProcess] } : { yaml, plugins: { 'bench.ts': source } },
  )
  process.send?.(house.base)
  await once(process, 'message')
  await house[Symbol.asyncDispose]()
  process.disconnect()
}

async function measured(where: Place): Promise<{ readonly rate: number; readonly alone: number }> {
  const child = fork(import.meta.filename, [first, where], { execArgv: [] })
  const [base] = (await once(child, 'message')) as [string] // serve() says where
  const load = async (connections: number): Promise<autocannon.Result> =>
    autocannon({
      url: `${base}/v1/requests/Look`,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      connections,
      duration: seconds,
    })
  await load(50) // warm
  const rate = (await load(50)).requests.average
  const alone = await median(`${base}/v1/requests/Look`)
  child.send('stop')
  await once(child, 'exit')
  return { rate, alone }
}

/** Microseconds of one call after the other. */
async function median(url: string): Promise<number> {
  const times: number[] = []
  for (const end = performance.now() + seconds * 1000; performance.now() < end;) {
    const begun = performance.now()
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    await response.arrayBuffer()
    times.push((performance.now() - begun) * 1000)
  }
  return times.sort((a, b) => a - b)[times.length >> 1] ?? Number.NaN
}

if (place === 'in process' || place === 'in a worker') await serve(place)
else {
  const here = await measured('in process')
  const there = await measured('in a worker')
  console.log(`${body.length} bytes of parameters and the same answer, ${seconds} s each`)
  for (const [name, { rate, alone }] of Object.entries({ 'in process': here, 'in a worker': there }))
    console.log(
      `${name.padEnd(12)} ${rate.toFixed(0).padStart(7)}/s at 50, ${alone.toFixed(0).padStart(5)} µs p50 alone`,
    )
  console.log(
    `the worker: ${(there.rate / here.rate).toFixed(2)} × the rate, ${(there.alone - here.alone).toFixed(0)} µs more`,
  )
}
