// Clients nobody here wrote, each through all its cases: before a JSON service, and before a SOAP server nobody here wrote.
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { buildOf, casesOf, fixtures, runClient, runProgram, skipped, why } from './clients.ts'
import type { Run, Stack } from './clients.ts'
import {
  startBeforeAxis,
  startBeforeGsoap,
  startBeforeRest,
  startBeforeSoap,
  startBeforeSoapLite,
} from './gateways.ts'
import { startKitBusiness } from './rest-business.ts'
import type { Business } from './rest-business.ts'
import { startAxis, startGsoap, startPhp, startSoapLite } from './soap-server.ts'
import type { SoapServer } from './soap-server.ts'

const jaxws = buildOf('clients/jaxws/build.sh')
afterAll(() => jaxws[Symbol.asyncDispose]())

type Case = Pick<Run, 'stack' | 'service' | 'version' | 'schema'> & { readonly path: string }

const stacks: readonly Stack[] = ['zeep', 'php', 'soaplite', 'jaxws']

/** Every client in both versions at each path of the orders service, and on the legacy ones in the styles it speaks. */
function casesAt(orders: readonly string[], legacy = ['/legacy-lit', '/legacy-enc']): readonly Case[] {
  return stacks.flatMap((stack): Case[] => [
    ...orders.flatMap((path): Case[] => [
      { stack, service: 'orders', path, version: '11' },
      { stack, service: 'orders', path, version: '12' },
    ]),
    ...legacy
      .filter((path) => stack !== 'jaxws' || !path.startsWith('/legacy-enc')) // JAX-WS has no rpc/encoded
      .flatMap((path): Case[] =>
        versionsOfLegacy(stack).map((version) => ({ stack, service: 'legacy', path, version })),
      ),
  ])
}

/** The WSDL has a port of SOAP 1.1, as such systems do; two of the clients speak 1.2 to it if told so. */
function versionsOfLegacy(stack: Stack): readonly ('11' | '12')[] {
  return stack === 'php' || stack === 'soaplite' ? ['11', '12'] : ['11']
}

function names({ stack, version, path }: Case): string {
  return `${stack}${version === undefined ? '' : `, SOAP 1.${version.slice(1)}`}, at ${path}`
}

async function verdicts(gateway: GatewayProcess, { path, ...client }: Case): Promise<Record<string, string>> {
  return runClient({ ...client, address: `${gateway.base}${path}` }, jaxws)
}

function allOk(service: Case['service']): Record<string, string> {
  return Object.fromEntries(casesOf(service).map((name) => [name, 'ok']))
}

describe('before a JSON service', () => {
  let business: Business
  let gateway: GatewayProcess
  beforeAll(async () => {
    business = await startKitBusiness()
    gateway = await startBeforeRest(business.url)
  })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await business[Symbol.asyncDispose]()
  })

  for (const one of casesAt(['/orders'])) {
    test.skipIf(skipped(one.stack))(
      `every case of ${names(one)}${why(one.stack)}`,
      { timeout: 300_000 },
      async () => {
        const before = business.called.length
        expect(await verdicts(gateway, one)).toEqual(allOk(one.service))
        const notified = (): true | undefined =>
          business.called.includes('NotifyShipment', before) || undefined
        if (one.service === 'orders') await until(notified) // a one-way call is answered before it is delivered
      },
    )
  }
})

// The tests of this half need PHP whatever the client is: without it none of them runs, and nothing is started.
describe('before a SOAP server (PHP SoapServer), asked in SOAP 1.1 and in SOAP 1.2', () => {
  let server: SoapServer
  let gateway: GatewayProcess
  beforeAll(async () => {
    server = await startPhp()
    gateway = await startBeforeSoap(server.url)
  })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })

  for (const one of casesAt(['/orders', '/orders12'], ['/legacy-lit', '/legacy-enc', '/legacy-enc12'])) {
    const needed = [one.stack, 'php'] as const
    test.skipIf(skipped(...needed))(
      `every case of ${names(one)}${why(...needed)}`,
      { timeout: 300_000 },
      async () => {
        const notified = (): number => server.log().split('NotifyShipment 1 DHL').length
        const before = notified()
        expect(await verdicts(gateway, one)).toEqual(allOk(one.service))
        if (one.service === 'orders') await until(() => notified() > before || undefined)
      },
    )
  }

  test.skipIf(skipped('soaplite', 'php'))(
    `every case of soaplite, XML Schema of 1999, at /legacy-enc${why('soaplite', 'php')}`,
    { timeout: 300_000 },
    async () => {
      const old = {
        stack: 'soaplite',
        service: 'legacy',
        schema: 'http://www.w3.org/1999/XMLSchema',
      } as const
      expect(await verdicts(gateway, { ...old, path: '/legacy-enc' })).toEqual(allOk('legacy'))
    },
  )

  test.skipIf(skipped('php'))(
    `associative arrays of a PHP client without a WSDL are the structs that are declared${why('php')}`,
    { timeout: 300_000 },
    async () => {
      const script = join(fixtures, 'clients/arrays.php')
      const printed = await runProgram('php', [script, `${gateway.base}/legacy-enc`])
      expect(printed).toContain('"id":9007199254740993') // JSON.parse would round it
      expect(JSON.parse(printed)).toMatchObject({
        title: 'T&1',
        owner: { login: 'ann', phone: '0044 20' },
        watcher: null,
        tags: ['x', 'y'],
        open: true,
      })
    },
  )
})

describe('before a SOAP::Lite server, asked in SOAP 1.1 and in SOAP 1.2', () => {
  const started = new AsyncDisposableStack()
  let gateway: GatewayProcess
  beforeAll(async () => {
    if (skipped('soaplite')) return
    gateway = started.use(await startBeforeSoapLite(started.use(await startSoapLite()).url))
  })
  afterAll(() => started.disposeAsync())

  for (const one of casesAt([], ['/legacy-lit', '/legacy-enc', '/legacy-enc12'])) {
    const needed = [one.stack, 'soaplite'] as const
    test.skipIf(skipped(...needed))(
      `every case of ${names(one)}${why(...needed)}`,
      { timeout: 300_000 },
      async () => {
        expect(await verdicts(gateway, one)).toEqual(allOk(one.service))
      },
    )
  }
})

/** gSOAP itself takes an optional element that is nil for one that is absent; the JAX-WS client of the kit sends none in C07. */
function okButNil({ stack, service }: Case): Record<string, string> {
  const nil = { C02: '4/5 seen note=absent (want note=nil)', C07: '3/4 nil="absent" (want "nil")' }
  return { ...allOk(service), ...nil, ...(stack === 'jaxws' && { C07: 'ok' }) }
}

describe('before gSOAP servers, one of SOAP 1.1 and one of SOAP 1.2', () => {
  const build = buildOf('server/gsoap/build.sh')
  const started = new AsyncDisposableStack()
  let gateway: GatewayProcess
  beforeAll(async () => {
    if (skipped('gsoap')) return
    started.use(build)
    const first = started.use(await startGsoap(build, '11'))
    const second = started.use(await startGsoap(build, '12'))
    gateway = started.use(await startBeforeGsoap(first.url, second.url))
  }, 300_000)
  afterAll(() => started.disposeAsync())

  for (const one of [...casesAt(['/orders'], []), ...casesAt(['/orders12'], [])]) {
    if (one.path.endsWith('12') !== (one.version === '12')) continue // PHP's half has every pair of versions
    const needed = [one.stack, 'gsoap'] as const
    test.skipIf(skipped(...needed))(
      `every case of ${names(one)}${why(...needed)}`,
      { timeout: 300_000 },
      async () => {
        expect(await verdicts(gateway, one)).toEqual(okButNil(one))
      },
    )
  }
})

describe('before an Axis 1.4 server, which writes what is shared once and refers to it (multiRef)', () => {
  const build = buildOf('server/axis/build.sh')
  const started = new AsyncDisposableStack()
  let gateway: GatewayProcess
  beforeAll(async () => {
    if (skipped('axis')) return
    started.use(build)
    const server = started.use(await startAxis(build))
    gateway = started.use(await startBeforeAxis(server.url))
  }, 300_000)
  afterAll(() => started.disposeAsync())

  for (const one of casesAt([])) {
    const needed = [one.stack, 'axis'] as const
    test.skipIf(skipped(...needed))(
      `every case of ${names(one)}${why(...needed)}`,
      { timeout: 300_000 },
      async () => {
        expect(await verdicts(gateway, one)).toEqual(allOk(one.service))
      },
    )
  }
})
