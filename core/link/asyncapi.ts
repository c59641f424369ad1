// The AsyncAPI 3.0 document: the frames, made of the schemas that read them, and where they are spoken.
import { z } from 'zod'
import { GatewayError } from '../api.ts'
import type { HttpRequest, HttpResponse, LinkPlace } from '../api.ts'
import type { Mount } from '../http/edge.ts'
import { DOWN, UP, published } from './frames.ts'

type Document = Readonly<Record<string, unknown>>

export interface PlaceInUse extends LinkPlace {
  readonly channel: string
}

/** Serves it without a token on loopback (DESIGN §16). */
export function asyncApiMount(
  channels: Iterable<{ readonly id: string; readonly places: readonly LinkPlace[] }>,
): Mount {
  const places = [...channels].flatMap(({ id, places: own }) =>
    own.map((place) => ({ ...place, channel: id })),
  )
  return {
    path: '/asyncapi.json',
    channel: 'core',
    access: 'operator',
    handler: async (request) => answer(places, request),
  }
}

/** Throws `METHOD_NOT_ALLOWED`. */
function answer(places: readonly PlaceInUse[], request: HttpRequest): HttpResponse {
  const { method, origin } = request
  if (method !== 'GET' && method !== 'HEAD')
    throw new GatewayError('METHOD_NOT_ALLOWED', `${method} is not taken here: use GET`, {
      detail: { allow: 'GET, HEAD' },
    })
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(asyncApi(places, origin)),
  }
}

const FRAME = '#/components/messages/'

/** Plain data, ready for JSON.stringify. `origin`: our own base address as callers see it. */
export function asyncApi(places: readonly PlaceInUse[], origin: string): Document {
  const { host } = new URL(origin)
  const secure = origin.startsWith('https:')
  const protocols = new Map([
    ['ws', secure ? 'wss' : 'ws'],
    ['http', secure ? 'https' : 'http'],
    ['mqtt', 'mqtt'],
  ])
  const inUse = [...new Set(places.map(({ protocol }) => protocol))]
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Dragoman',
      version: '1',
      description:
        'One client protocol over three links: an app can lose one and go on over the next. Frames are JSON, at most 64 KiB each, one or an array; every frame has a member `t`, its name.',
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: 'application/json',
    servers: Object.fromEntries(
      inUse.map((protocol) => [
        protocol,
        {
          // MQTT has a port of its own, which only its channel knows.
          host: protocol === 'mqtt' ? new URL(origin).hostname : host,
          protocol: protocols.get(protocol),
          ...(protocol === 'ws' && { protocolVersion: '13' }),
        },
      ]),
    ),
    channels: Object.fromEntries(places.flatMap(channelsOf)),
    operations: Object.fromEntries(places.flatMap(operationsOf)),
    components: { messages: messages(), schemas: schemas() },
  }
}

function channelsOf(place: PlaceInUse): readonly (readonly [string, Document])[] {
  const { protocol, up, down } = place
  const channel = (address: string, names: readonly string[]): Document => ({
    address,
    servers: [{ $ref: `#/servers/${protocol}` }],
    messages: Object.fromEntries(names.map((name) => [name, { $ref: `${FRAME}${name}` }])),
    ...(address.includes('{device}') && {
      parameters: { device: { description: 'The id the app keeps, as in its hello' } },
    }),
  })
  if (up === down) return [[nameOf(place), channel(up, [...UP, ...DOWN])]]
  return [
    [`${nameOf(place)}_up`, channel(up, UP)],
    [`${nameOf(place)}_down`, channel(down, DOWN)],
  ]
}

/** AsyncAPI 3.0: the action is the gateway's; `receive` is what an app sends. */
function operationsOf(place: PlaceInUse): readonly (readonly [string, Document])[] {
  const one = place.up === place.down
  const operation = (action: 'receive' | 'send', names: readonly string[]): Document => {
    const channel = one ? nameOf(place) : `${nameOf(place)}_${action === 'receive' ? 'up' : 'down'}`
    return {
      action,
      channel: { $ref: `#/channels/${channel}` },
      messages: names.map((name) => ({ $ref: `#/channels/${channel}/messages/${name}` })),
    }
  }
  return [
    [`${nameOf(place)}_receive`, operation('receive', UP)],
    [`${nameOf(place)}_send`, operation('send', DOWN)],
  ]
}

function nameOf({ channel, protocol }: PlaceInUse): string {
  return `${channel}_${protocol}`
}

function messages(): Document {
  return Object.fromEntries(
    [...UP, ...DOWN].map((name) => [name, { name, payload: { $ref: `#/components/schemas/${name}` } }]),
  )
}

function schemas(): Document {
  const { schemas: all } = z.toJSONSchema(published, {
    target: 'draft-07', // AsyncAPI 3.0: a superset of it
    io: 'input',
    unrepresentable: 'any',
    uri: (id) => `#/components/schemas/${id}`,
  })
  return Object.fromEntries(
    Object.entries(all).map(([name, { $schema: _dialect, $id: _address, ...schema }]) => [name, schema]),
  )
}
