// DESIGN §12, §13: the apps of a bad network over three gateways on one Redis, each reconnect to another, each of them killed, one frozen.
import { expect, test } from 'vitest'

import { blackout, ofTcp } from './weaknet/profiles.ts'
import { runProfile } from './weaknet/run.ts'
import type { Size } from './weaknet/run.ts'

const isFull = [process.env['WEAKNET'], process.env['FAULTS']].includes('full')
const only = process.env['WEAKNET_PROFILE'] ?? (isFull ? undefined : 'lift')
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
console.log(`seed ${seed}`)

// Longer than a lease: what the frozen one held is another's when it comes back.
const size: Size = isFull
  ? {
      customers: 40,
      messages: 50,
      paceMs: 1500,
      lifeMs: [2000, 8000],
      kills: 3,
      instances: 3,
      frozenMs: 30_000,
      seed,
      deadlineMs: 400_000,
    }
  : {
      customers: 4,
      messages: 10,
      paceMs: 900,
      lifeMs: [2000, 6000],
      kills: 3,
      instances: 3,
      frozenMs: 10_000,
      seed,
      deadlineMs: 180_000,
    }

const none = { lost: 0, doubled: 0, disordered: 0 }
const chosen = [blackout, ...ofTcp].filter(({ name }) => only === undefined || name === only)

test.for(chosen)(
  '$name, over three instances that are killed and frozen: 0 lost, 0 doubled, 0 out of order, both ways',
  { timeout: size.deadlineMs + 60_000 },
  async (profile) => {
    const report = await runProfile(profile, size)
    console.log(JSON.stringify(report))
    const { up, agent, down, violations, dead, gatewayKills } = report
    expect({ up, agent, down, violations, dead, gatewayKills }).toEqual({
      up: none,
      agent: none,
      down: none,
      violations: [],
      dead: 0,
      gatewayKills: 3,
    })
  },
)
