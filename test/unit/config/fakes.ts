// Small adapters with strict schemas, and the one way to load a text in these tests.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import type { Adapter, Component, Schema } from '../../../core/api.ts'
import type { Config } from '../../../config/config.ts'
import { readConfig, resolveConfig } from '../../../config/load.ts'
import type { Overrides } from '../../../config/load.ts'
import { ConfigError, formatProblem } from '../../../config/problems.ts'

/** A component that is never created: these tests only ask its schema. */
export function component(config: Schema<unknown>): Component<never> {
  return {
    config,
    create() {
      throw new Error('nothing is created here')
    },
  }
}

export function adapter(
  name: string,
  parts: Partial<Record<'channel' | 'backend' | 'agent', z.ZodType>>,
): Adapter {
  const roles = Object.entries(parts).map(([role, schema]) => [role, component(schema)])
  return { name, apiVersion: 1, ...Object.fromEntries(roles) }
}

const path = z.string().startsWith('/')

export const known: ReadonlyMap<string, Adapter> = new Map(
  [
    adapter('rest', {
      channel: z.strictObject({}),
      backend: z.strictObject({
        url: z.string(),
        operations: z
          .record(
            z.string(),
            z.strictObject({ method: z.enum(['GET', 'POST']).optional(), path: path.optional() }),
          )
          .optional(),
      }),
    }),
    adapter('soap', {
      channel: z.strictObject({ path, wsdl: z.string() }),
      backend: z.strictObject({ wsdl: z.string(), version: z.enum(['1.1', '1.2']).optional() }),
    }),
    adapter('wechat', {
      channel: z.strictObject({
        path,
        appId: z.string(),
        token: z.string(),
        encodingAESKey: z.string().optional(),
        secret: z.string().optional(),
        apiBase: z.url().optional(),
      }),
    }),
    adapter('mqtt', {
      channel: z.strictObject({
        port: z.int().min(0).max(65_535).optional(),
        websocket: z.string().optional(),
        url: z.string().optional(),
      }),
    }),
    adapter('desk', { agent: z.strictObject({ capacity: z.int().min(1).default(5) }) }),
    adapter('webhook', { agent: z.strictObject({ url: z.url(), secret: z.string().optional() }) }),
  ].map((each) => [each.name, each]),
)

export interface LoadOptions {
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly overrides?: Overrides
  readonly adapters?: ReadonlyMap<string, Adapter>
}

/** Loads a text as the file `gateway.yaml` of a folder of its own, in which `crm.wsdl` lies too. */
export async function load(text: string | Uint8Array, options: LoadOptions = {}): Promise<Config> {
  const folder = await mkdtemp(join(tmpdir(), 'dragoman-config-'))
  try {
    const file = join(folder, 'gateway.yaml')
    await writeFile(file, text)
    await writeFile(join(folder, 'crm.wsdl'), '<definitions/>')
    const { env = {}, overrides = {}, adapters = known } = options
    return resolveConfig(await readConfig(file, { env, overrides }), adapters)
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** The problems as `line:column: message`. */
export async function problemsOf(
  text: string | Uint8Array,
  options: LoadOptions = {},
): Promise<readonly string[]> {
  try {
    await load(text, options)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map((problem) => formatProblem({ ...problem, file: '' }).slice(1))
  }
}
