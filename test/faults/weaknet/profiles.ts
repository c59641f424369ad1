// The bad networks of the matrix: faults of TCP in front of each link, or packets lost between two network namespaces.
import type { Faults } from '../../support/fault-proxy.ts'
import type { Kind } from './links.ts'

export interface Profile {
  readonly name: string
  /** In front of every link, or of each its own; absent: none. */
  readonly faults?: Faults
  /** Of these links nothing ever comes through, and nothing closes. */
  readonly dark?: readonly Kind[]
  /** What the app tries; default all three, each reconnect another. */
  readonly kinds?: readonly Kind[]
  /** For tunnetem.py; such a profile needs root and TUN. */
  readonly network?: { readonly up: string; readonly down: string }
  /** Everything is dark for so long, once, in the middle. */
  readonly blackoutMs?: number
}

const slow = { delay: 300, jitter: 200 } as const

/** Faults of TCP: they run everywhere. */
export const ofTcp: readonly Profile[] = [
  { name: '3g', faults: { ...slow, rate: 384_000, stall: 0.02 } },
  { name: 'lift', faults: { delay: 80, jitter: 40, blackhole: { first: 2000, every: 9000, for: 4000 } } },
  {
    name: 'subway',
    faults: {
      delay: 200,
      jitter: 150,
      resetEvery: [2000, 9000],
      stall: 0.03,
      ackLoss: 0.02,
      midCut: 0.02,
      blackhole: { first: 4000, every: 16_000, for: 5000 },
    },
  },
  { name: 'lost acknowledgements', faults: { delay: 60, jitter: 40, ackLoss: 0.15, midCut: 0.05 } },
  { name: 'WebSocket black-holed', faults: { delay: 60, jitter: 40, stall: 0.02 }, dark: ['ws'] },
  {
    name: 'HTTP only',
    faults: { delay: 60, jitter: 40, ackLoss: 0.05, midCut: 0.02 },
    dark: ['ws', 'mqtt'],
    kinds: ['http'],
  },
]

const loss = (percent: number): Profile => ({
  name: `${percent} % packet loss`,
  network: { up: `loss=${percent},delay=60,jitter=30`, down: `loss=${percent},delay=60,jitter=30` },
})

/** Lost packets: real TCP over a bad wire. */
export const ofPackets: readonly Profile[] = [
  loss(10),
  loss(20),
  loss(30),
  {
    name: 'bursts',
    network: { up: 'ge=3:30,delay=80,jitter=40', down: 'ge=3:30,delay=80,jitter=40,reorder=3' },
  },
  {
    name: '30 s blackout',
    network: { up: 'loss=3,delay=60,jitter=30', down: 'loss=3,delay=60,jitter=30' },
    blackoutMs: 30_000,
  },
]

/** The same blackout where there is no TUN: nothing moves, nothing closes. */
export const blackout: Profile = {
  name: '30 s blackout of TCP',
  faults: { delay: 60, jitter: 40 },
  blackoutMs: 30_000,
}
