// Whether components can use the contracts that they name: they are started, with nobody to call and nothing to serve.
import { GatewayError } from '../api.ts'
import type { Adapter, Json } from '../api.ts'
import type { BackendSettings, ChannelSettings, GenerationSettings } from '../settings.ts'
import { Cast } from './cast.ts'
import { silentHost } from './stand-ins.ts'

export interface Refusal {
  readonly section: 'channels' | 'backends'
  readonly id: string
  /** Where in the component, if it is not its contract. */
  readonly at?: readonly (string | number)[]
  /** As the start says it. */
  readonly message: string
}

/** The adapters whose start reads a WSDL, a schema or documents, and does nothing else. */
export const READING: ReadonlySet<string> = new Set(['soap', 'webservice', 'graphql'])

/**
 * What a start would refuse of contracts that are files, and examples that do not fit them; a contract that has to be
 * fetched says nothing here.
 */
export async function contractRefusals(
  settings: Pick<GenerationSettings, 'channels' | 'backends' | 'agents' | 'routes'>,
  adapters: ReadonlyMap<string, Adapter>,
): Promise<readonly Refusal[]> {
  await using cast = new Cast({
    settings,
    adapters,
    now: Date.now(),
    host: silentHost,
    said() {},
  })
  const refusals: Refusal[] = []
  const tried = async <T>(one: Omit<Refusal, 'message'>, start: Promise<T>): Promise<T | undefined> => {
    try {
      return await start
    } catch (error) {
      const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error // the start's own words go before it
      const { code, detail } = GatewayError.from(reason)
      if (code !== 'BACKEND_FAILED')
        refusals.push({
          ...one,
          ...placeOf(detail),
          message: reason instanceof Error ? reason.message : String(reason),
        })
      return undefined
    }
  }
  const reads = ({ adapter }: ChannelSettings | BackendSettings): boolean => READING.has(adapter)
  for (const channel of Object.values(settings.channels).filter(reads)) {
    const here = { section: 'channels', id: channel.id } as const
    const running = await tried(here, cast.channel(channel))
    // The one that its command would be made of.
    const operations = Object.entries(channel.operations)
    const [shown] =
      operations.find(([, { kind, example }]) => kind === 'request' && example !== undefined) ?? []
    if (running === undefined || shown === undefined) continue
    const at = ['operations', shown, 'example']
    const made = async (): Promise<unknown> => running.inUse.channel.hint?.('http://127.0.0.1')
    await tried({ ...here, at }, made())
  }
  for (const backend of Object.values(settings.backends).filter(reads))
    await tried({ section: 'backends', id: backend.id }, cast.backend(backend))
  return refusals
}

/** The key that an adapter says is to blame: `detail.at`. */
function placeOf(detail: Json | undefined): Pick<Refusal, 'at'> {
  if (typeof detail !== 'object' || detail === null || !Object.hasOwn(detail, 'at')) return {}
  const at = (detail as Readonly<Record<string, Json>>)['at'] // an object that has this own member
  return Array.isArray(at) ? { at: at.map((key) => (typeof key === 'number' ? key : String(key))) } : {}
}
