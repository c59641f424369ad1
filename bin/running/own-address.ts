// Where a gateway listens on this machine, whatever address it gives out to callers.
import { originOf } from '../../core/http/edge.ts'
import type { ListenerConfig } from '../../core/http/edge.ts'
import type { LocalGateway } from './local-gateway.ts'

type Listening = Pick<ListenerConfig, 'host' | 'tls'>

export function ownAddress({ host, tls }: Listening, port: number): LocalGateway {
  return {
    origin: originOf({ host, port, ...(tls !== undefined && { tls }) }),
    certFile: tls?.certFile,
    ...(tls?.caFile !== undefined && { keyFile: tls.keyFile }),
  }
}
