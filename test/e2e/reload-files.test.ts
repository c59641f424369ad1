// The files a config names: those it names since a reload are watched as those it named at the start.
import { copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { makeCertificate } from '../support/certificate.ts'
import { startGateway, temporaryDirectory, until } from '../support/gateway.ts'
import { post } from '../support/rest.ts'

const SLOWLY_MS = 30_000

const before = `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: webhook, url: "http://127.0.0.1:9/" } }
routes: [{ agent: helper }]
`
const after = before.replace(
  'channels: {',
  'channels: { crm: { adapter: soap, path: /crm, wsdl: ./contracts/crm.wsdl, operations: { NotifyShipping: { kind: event, sender: customerId } } },',
)

/** Whole at any moment: as a deployment does it. */
async function replace(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text)
  await rename(`${file}.new`, file)
}

test(
  'a WSDL that the config names since a reload is loaded again when it changes',
  { timeout: 90_000 },
  async () => {
    await using gateway = await startGateway({ yaml: before })
    const { base, directory } = gateway
    const wsdl = join(directory, 'contracts/crm.wsdl')
    const text = await readFile(resolve(import.meta.dirname, '../../config/crm.wsdl'), 'utf8')
    await mkdir(join(directory, 'contracts'))
    await writeFile(wsdl, text)
    const shown = async (): Promise<string> => (await fetch(`${base}/crm?wsdl`)).text()

    await replace(join(directory, 'gateway.yaml'), after)
    await until(async () => ((await shown()).includes('NotifyShipping') ? true : undefined), SLOWLY_MS)

    for (const change of ['first', 'second']) {
      await replace(wsdl, text.replaceAll('GetOrder', `GetOrder${change}`))
      await until(async () => ((await shown()).includes(`GetOrder${change}`) ? true : undefined), SLOWLY_MS)
    }
    expect(await shown()).not.toContain('GetOrderfirst')
  },
)

test(
  'a config that was refused for want of files it names is taken over when the last of them is there',
  { timeout: 120_000 },
  async () => {
    await using gateway = await startGateway({ yaml: before })
    using certificate = makeCertificate()
    const { base, directory } = gateway
    const text = await readFile(resolve(import.meta.dirname, '../../config/crm.wsdl'), 'utf8')
    const shown = async (): Promise<string> => (await fetch(`${base}/crm?wsdl`)).text()
    const refused = (what: string): Promise<true> =>
      until(async () => (gateway.log().includes(what) ? true : undefined), SLOWLY_MS)
    const named = after.replace(
      'agents:',
      'backends: { orders: { adapter: rest, url: "https://orders.test", tls: { ca: ./ca.pem } } }\nagents:',
    )

    await replace(join(directory, 'gateway.yaml'), named)
    await refused('./contracts/crm.wsdl\\" cannot be read')
    // One of the two, and the folder did not exist either.
    await mkdir(join(directory, 'contracts'))
    const already = gateway.log().length
    await writeFile(join(directory, 'contracts/crm.wsdl'), text)
    await until(
      async () => (gateway.log().slice(already).includes('./ca.pem\\" cannot be read') ? true : undefined),
      SLOWLY_MS,
    )
    expect(await shown()).not.toContain('NotifyShipping')

    await copyFile(certificate.cert, join(directory, 'ca.pem'))
    await until(async () => ((await shown()).includes('NotifyShipping') ? true : undefined), SLOWLY_MS)
  },
)

test(
  'what a plugin’s schema calls a file is read again when it changes, however its path begins',
  { timeout: 90_000 },
  async () => {
    const elsewhere = await temporaryDirectory()
    const notice = join(elsewhere, 'notice.txt')
    await writeFile(notice, 'first')
    const yaml = `
channels: { web: { adapter: rest } }
backends: { erp: { adapter: notices, near: near.txt, far: ${notice} } }
routes: [{ backend: erp }]
`
    const plugin = `import { readFile } from 'node:fs/promises'
import { defineAdapter } from 'dragoman'
import { z } from 'zod'
const file = z.string().meta({ format: 'file' })
export default defineAdapter({
  name: 'notices',
  apiVersion: 1,
  backend: {
    config: z.strictObject({ near: file, far: file }),
    create({ near, far }) {
      const read: string[] = []
      return {
        operations: { Read: { safe: true } },
        async start() {
          for (const each of [near, far]) read.push(await readFile(each, 'utf8'))
        },
        call: async () => ({ data: { text: read.join(' ') } }),
        async [Symbol.asyncDispose]() {},
      }
    },
  },
})
`
    const directory = await temporaryDirectory()
    await mkdir(join(directory, 'plugins'))
    const files = { 'near.txt': 'near', 'plugins/notices.ts': plugin }
    await using gateway = await startGateway({ yaml, files, directory })
    const shown = async (): Promise<unknown> =>
      (await post<{ text?: string }>(`${gateway.base}/v1/requests/Read`, {})).body.text
    expect(await shown()).toBe('near first')
    await replace(notice, 'second')
    await until(async () => ((await shown()) === 'near second' ? true : undefined), SLOWLY_MS)
    await replace(join(directory, 'near.txt'), 'nearer')
    await until(async () => ((await shown()) === 'nearer second' ? true : undefined), SLOWLY_MS)
    for (const made of [directory, elsewhere])
      await rm(made, { recursive: true, maxRetries: 3 }).catch(() => undefined)
  },
)
