// DESIGN §12 on bad networks: every message once, in order, both ways, whatever the links, the apps and the gateway go through.
import { expect, test } from 'vitest'

import { networkProblem, runOverNetwork } from './weaknet/network.ts'
import { blackout, ofPackets, ofTcp } from './weaknet/profiles.ts'
import { compare, runProfile } from './weaknet/run.ts'
import type { Report, Size } from './weaknet/run.ts'

const isFull = [process.env['WEAKNET'], process.env['FAULTS']].includes('full')
const only = process.env['WEAKNET_PROFILE']
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
console.log(`seed ${seed}`)

const size: Size = isFull
  ? { customers: 40, messages: 50, paceMs: 500, lifeMs: [2000, 8000], kills: 3, seed, deadlineMs: 300_000 }
  : { customers: 4, messages: 12, paceMs: 250, lifeMs: [1500, 4000], kills: 1, seed, deadlineMs: 120_000 }

const none = { lost: 0, doubled: 0, disordered: 0 }

function holds(report: Report): void {
  console.log(JSON.stringify(report))
  const { up, agent, down, violations, dead, gatewayKills, backMs = 0 } = report
  expect({ up, agent, down, violations, dead, gatewayKills }).toEqual({
    up: none,
    agent: none,
    down: none,
    violations: [],
    dead: 0,
    gatewayKills: size.kills,
  })
  expect(backMs).toBeLessThan(40_000)
}

// The longest first.
const chosen = [blackout, ...ofTcp].filter(({ name }) => only === undefined || name === only)
const packets = ofPackets.filter(({ name }) =>
  only === undefined ? isFull || name.startsWith('20') : name === only,
)
const options = { timeout: size.deadlineMs + 60_000 }
const problem = networkProblem()
if (problem !== undefined) console.log(`packets cannot be lost here: ${problem}`)

test('the count sees what is lost, doubled and out of order', () => {
  const expected = ['a', 'b', 'c', 'd']
  expect(compare(expected, expected)).toEqual(none)
  expect(compare(['a', 'c', 'b', 'b', 'x'], expected)).toEqual({ lost: 1, doubled: 1, disordered: 2 })
})

// In full, each has the machine to itself.
const matrix = isFull ? test : test.concurrent

matrix.for(chosen)('$name: 0 lost, 0 doubled, 0 out of order, both ways', options, async (profile) => {
  holds(await runProfile(profile, size))
})

test.skipIf(problem !== undefined).for(packets)(
  '$name: 0 lost, 0 doubled, 0 out of order, both ways, over real TCP',
  options,
  async (profile) => {
    holds(await runOverNetwork(profile, size))
  },
)
