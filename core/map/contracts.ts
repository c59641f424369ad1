// Whether components can use the contracts that they name: they are started, with nobody to call and nothing to serve.
import { GatewayError } from '../api.ts'
import type { Adapter } from '../api.ts'
import type { BackendSettings, ChannelSettings, GenerationSettings } from '../settings.ts'
import { Cast } from './cast.ts'
import { silentHost } from './stand-ins.ts'

export interface Refusal {
  readonly section: 'channels' | 'backends'
  readonly id: string
  /** As the start says it. */
  readonly message: string
}

/** Their start reads a WSDL, a schema or documents, and does nothing else. */
const READING: ReadonlySet<string> = new Set(['soap', 'webservice', 'graphql'])

/** What a start would refuse of contracts that are files; one that has to be fetched says nothing here. */
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
  const tried = async (one: Omit<Refusal, 'message'>, start: Promise<unknown>): Promise<void> => {
    try {
      await start
    } catch (error) {
      const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error // the start's own words go before it
      if (GatewayError.from(reason).code !== 'BACKEND_FAILED')
        refusals.push({ ...one, message: reason instanceof Error ? reason.message : String(reason) })
    }
  }
  const reads = ({ adapter }: ChannelSettings | BackendSettings): boolean => READING.has(adapter)
  for (const channel of Object.values(settings.channels).filter(reads))
    await tried({ section: 'channels', id: channel.id }, cast.channel(channel))
  for (const backend of Object.values(settings.backends).filter(reads))
    await tried({ section: 'backends', id: backend.id }, cast.backend(backend))
  return refusals
}
