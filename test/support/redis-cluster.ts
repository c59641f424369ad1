// A real Redis Cluster of three masters, each with a third of the slots; with replicas, each has one.
import { freePort, isFree } from '../../bin/demo/free-port.ts'
import { until } from './gateway.ts'
import { RedisServer } from './redis-server.ts'

/** How far above its port a node talks to the others; Redis 7 and later alone can be told another one. */
const BUS = 10_000
/** Above it systems take ports for outgoing connections. */
const LAST = 32_000

export class RedisCluster implements AsyncDisposable {
  readonly masters: readonly RedisServer[]
  readonly replicas: readonly RedisServer[]

  static async start(options: { readonly replicas?: boolean } = {}): Promise<RedisCluster> {
    const count = options.replicas === true ? 6 : 3
    const settings = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1500']
    const nodes: RedisServer[] = []
    for (let node = 0; node < count; node++) nodes.push(await RedisServer.start(settings, await nodePort()))
    const cluster = new RedisCluster(nodes)
    await cluster.#join()
    return cluster
  }

  private constructor(nodes: readonly RedisServer[]) {
    this.masters = nodes.slice(0, 3)
    this.replicas = nodes.slice(3)
  }

  get url(): string {
    return `redis+cluster://127.0.0.1:${this.masters[0]?.port ?? 0},127.0.0.1:${this.masters[1]?.port ?? 0}`
  }

  async #join(): Promise<void> {
    const all = [...this.masters, ...this.replicas]
    const [first] = all
    const third = Math.floor(16_384 / 3)
    for (const [at, node] of this.masters.entries()) {
      const end = at === 2 ? 16_384 : (at + 1) * third
      // Redis 7 and later alone takes a range.
      const slots = Array.from({ length: end - at * third }, (_, slot) => String(at * third + slot))
      node.cli('CLUSTER', 'ADDSLOTS', ...slots)
    }
    for (const [at, node] of all.entries())
      if (at > 0) first?.cli('CLUSTER', 'MEET', '127.0.0.1', String(node.port))
    const isWhole = (): true | undefined =>
      all.every((node) => {
        const info = node.cli('CLUSTER', 'INFO')
        return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${all.length}`)
      }) || undefined
    await until(isWhole, 30_000)
    for (const [at, replica] of this.replicas.entries())
      replica.cli('CLUSTER', 'REPLICATE', this.masters[at]?.cli('CLUSTER', 'MYID') ?? '')
    if (this.replicas.length === 0) return
    const follow = (): true | undefined =>
      this.masters.every((node) => node.cli('INFO', 'replication').includes('state=online')) || undefined
    await until(follow, 30_000)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of [...this.masters, ...this.replicas]) await node[Symbol.asyncDispose]()
  }
}

async function nodePort(): Promise<number> {
  for (;;) {
    const port = await freePort()
    if (port + BUS <= LAST && (await isFree(port + BUS))) return port
  }
}
