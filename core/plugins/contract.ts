// What the gateway and a plugin's worker ask of each other, as both ends see it.
import type { MessagePort } from 'node:worker_threads'
import type { ChannelOperation, Operation, SchemaIssue } from '../api.ts'
import type { Failure } from './explain.ts'

export type ComponentRole = 'channel' | 'backend' | 'agent'

/** Answers that are no caller's data, or are checked where they are made: what a clone makes of them will do. */
export const OWN_ANSWERS: ReadonlySet<string> = new Set(['load', 'validate', 'begin', 'http'])

/** What a worker is born with. */
export interface WorkerBirth {
  readonly port: MessagePort
  /** Of one message to the gateway. */
  readonly limitBytes: number
  /** No connection may leave this process: `dragoman map`. */
  readonly offline: boolean
  /** It is begun before anybody waits for it. */
  readonly isEarly: boolean
  /** The address of its program, and where Node keeps what it has compiled. */
  readonly entry: string
  readonly cache?: string
}

/** The version it is to import. */
export interface WorkerOrder {
  readonly file: string
  readonly root: string
  readonly sources: ReadonlyMap<string, string>
  readonly others: ReadonlyMap<string, string>
  readonly own: string
}

/** What an import has found. */
export type Loading =
  | { readonly adapter: DescribedAdapter; readonly failure?: undefined }
  | { readonly failure: Failure }

export interface DescribedAdapter {
  readonly name: string
  readonly roles: Readonly<Partial<Record<ComponentRole, { readonly jsonSchema?: unknown }>>>
}

export type Validated =
  | { readonly value: unknown; readonly issues?: undefined; readonly isPassing?: undefined }
  | {
      readonly issues: readonly SchemaIssue[]
      /** Nobody was there to ask. */
      readonly isPassing?: boolean
    }

/** A component to be made and started. `config` is what the file says, as JSON: the schema is asked again over there. */
export interface Beginning {
  readonly role: ComponentRole
  readonly id: string
  readonly config: string
  readonly responseLimitBytes: number
  readonly operations: Readonly<Record<string, ChannelOperation>>
}

/** A component that runs. */
export interface Begun {
  readonly operations: Readonly<Record<string, Operation>>
  readonly sends: boolean
  readonly pushesWhole?: boolean
  readonly refusable?: boolean
  readonly probes: boolean
  /** With `HINT_ORIGIN` where our address belongs. */
  readonly hint?: string
}

/** Stands for our own address, which is not known when a channel starts. */
export const HINT_HOST = 'origin.invalid'
export const HINT_ORIGIN = `http://${HINT_HOST}`

/** A response of `HttpHandler`; `stream` names a body that is fetched piece by piece. */
export interface PackedResponse {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly carries?: string
  readonly body?: string | Uint8Array
  readonly stream?: number
}

export interface PackedRequest {
  readonly url: string
  readonly method: string
  readonly headers: readonly string[]
  readonly body: string | Uint8Array | undefined
  readonly redirect: 'error' | 'follow' | 'manual'
}

export interface PackedFetchResponse {
  readonly status: number
  readonly statusText: string
  readonly headers: readonly (readonly [string, string])[]
  /** Undefined: there is no body, which is not the same as an empty one. */
  readonly body: Uint8Array<ArrayBuffer> | undefined
  readonly url: string
  readonly redirected: boolean
}

/** Of one worker, in bytes. */
export interface Memory {
  readonly heap: number
  /** Buffers, which no heap limit bounds. */
  readonly external: number
}
