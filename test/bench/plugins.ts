// What a plugin's worker costs: a backend call of 1 kB alone, and through a whole gateway fifty at a time, in process and in the worker. `node test/bench/plugins.ts [ROUNDS]`
import { fork } from 'node:child_process'
import { once } from 'node:events'
import autocannon from 'autocannon'
import { defineAdapter } from '../../core/api.ts'
import type { Adapter } from '../../core/api.ts'
import { openHouse } from '../support/house.ts'

type Place = 'in process' | 'in a worker'

const [first = '5', place] = process.argv.slice(2)
const rounds = Number(first)

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

interface Served {
  readonly url: string
  stop(): Promise<void>
}

async function launch(where: Place): Promise<Served> {
  const child = fork(import.meta.filename, [first, where], { execArgv: [] })
  const [base] = (await once(child, 'message')) as [string] // serve() says where
  return {
    url: `${base}/v1/requests/Look`,
    async stop() {
      child.send('stop')
      await once(child, 'exit')
    },
  }
}

async function rate(url: string, duration: number): Promise<number> {
  const headers = { 'content-type': 'application/json' }
  const result = await autocannon({ url, method: 'POST', headers, body, connections: 50, duration })
  return result.requests.average
}

/** Microseconds of one call after the other. */
async function alone(url: string): Promise<number> {
  const times: number[] = []
  for (const end = performance.now() + 1000; performance.now() < end;) {
    const begun = performance.now()
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    await response.arrayBuffer()
    times.push((performance.now() - begun) * 1000)
  }
  return median(times)
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}

if (place === 'in process' || place === 'in a worker') await serve(place)
else {
  const here = await launch('in process')
  const there = await launch('in a worker')
  for (const { url } of [here, there]) await rate(url, 2) // warm
  const rates: [number[], number[]] = [[], []]
  const times: [number[], number[]] = [[], []]
  // In turn, so that whatever else the machine does falls on both.
  for (let round = 0; round < rounds; round++)
    for (const [index, { url }] of [here, there].entries()) {
      rates[index]?.push(await rate(url, 1))
      times[index]?.push(await alone(url))
    }
  await Promise.all([here.stop(), there.stop()])
  console.log(`${body.length} bytes of parameters and the same answer; medians of ${rounds} rounds`)
  for (const [index, name] of ['in process', 'in a worker'].entries())
    console.log(
      `${name.padEnd(12)} ${median(rates[index] ?? []).toFixed(0)}/s at 50, ${median(times[index] ?? []).toFixed(0)} µs p50 alone`,
    )
  console.log(
    `the worker: ${median(rates[0].map((each, round) => (rates[1][round] ?? 0) / each)).toFixed(2)} × the rate, ${median(times[0].map((each, round) => (times[1][round] ?? 0) - each)).toFixed(0)} µs more`,
  )
}
