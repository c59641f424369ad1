// The adapters that come built in, each loaded when it is asked for: a gateway without MQTT does not pay for a broker at its start.
import type { Adapter } from '../core/api.ts'

const loaders: Readonly<Record<string, () => Promise<{ readonly default: Adapter }>>> = {
  rest: () => import('../adapters/rest/index.ts'),
  soap: () => import('../adapters/soap/index.ts'),
  webservice: () => import('../adapters/webservice/index.ts'),
  graphql: () => import('../adapters/graphql/index.ts'),
  wechat: () => import('../adapters/wechat/index.ts'),
  mqtt: () => import('../adapters/mqtt/index.ts'),
  webhook: () => import('../core/agents/webhook.ts'),
}

export const builtInNames: readonly string[] = Object.keys(loaders)

/** Those of the names that are built in; without names, all of them. */
export async function loadBuiltIn(names: readonly string[] = builtInNames): Promise<readonly Adapter[]> {
  const wanted = Object.entries(loaders).filter(([name]) => names.includes(name))
  return Promise.all(wanted.map(async ([, load]) => (await load()).default))
}
