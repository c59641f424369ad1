// The types of the built-in schema, in the schema language.

export const builtInTypes = /* GraphQL */ `
  "Any JSON value. Long integers and decimals stay texts."
  scalar JSON

  enum Role {
    customer
    agent
    bot
    system
  }
  enum Priority {
    low
    normal
    high
    urgent
  }
  enum Kind {
    message
    event
    request
  }
  enum Direction {
    inbound
    outbound
    internal
  }
  enum Origin {
    agent
    backend
    cache
  }
  enum PartKind {
    text
    image
    audio
    video
    file
    location
    link
    card
  }

  "Who speaks. Only a program may speak for others."
  input SenderInput {
    id: ID!
    role: Role
    name: String
    tier: String
    attributes: JSON
  }
  input MediaInput {
    url: String
    id: ID
    mediaType: String
    name: String
    bytes: Int
  }
  input PartInput {
    kind: PartKind!
    "Always there: what a link that knows only text shows instead."
    text: String!
    media: MediaInput
    data: JSON
  }

  type Query {
    "A conversation's log after a sequence, oldest first."
    conversation(id: ID!, after: Int = 0, limit: Int = 100): Log
    "Asks a business system for something that changes nothing there; never by GET."
    request(operation: String!, params: JSON): Answer
  }

  type Mutation {
    "Says something: stored first, then answered by whom the routes name. waitMs: how long to wait for the reply."
    sendMessage(
      text: String
      parts: [PartInput!]
      sender: SenderInput
      "Default: one conversation for each sender."
      conversation: ID
      type: String
      "Your own id of this message: sent again, it is stored and answered once."
      externalId: ID
      inReplyTo: ID
      clientSequence: Int
      occurredAt: String
      expiresAt: String
      priority: Priority
      data: JSON
      metadata: JSON
      waitMs: Int
    ): Accepted
    "Reports what happened in a business system; subject is the customer it is about."
    publishEvent(type: String!, data: JSON, subject: ID, externalId: ID, occurredAt: String): Accepted
    "Asks a business system to do something; with an externalId once."
    request(operation: String!, params: JSON, externalId: ID): Answer
  }

  type Subscription {
    "A conversation after a sequence, and what comes: to go on after a reconnect, give the last sequence you have."
    messages(conversation: ID!, after: Int = 0): Message!
  }

  "Stored; nothing acknowledged is lost."
  type Accepted {
    id: ID!
    conversation: ID!
    "Its place in the conversation; 0 where it has none."
    sequence: Int!
    "It was here before; nothing was delivered twice."
    duplicate: Boolean!
    "Where one is there already, or came within waitMs."
    reply: Reply
  }

  type Reply {
    text: String
    parts: [Part!]
    data: JSON
    fault: Fault
    origin: Origin!
    stale: Boolean!
    asOf: String
    metadata: JSON
  }

  "A business system's answer. Without an origin it was stored, to be carried out later."
  type Answer {
    id: ID!
    duplicate: Boolean!
    "Of what was stored for later: the address that says what became of it."
    status: String
    data: JSON
    text: String
    parts: [Part!]
    origin: Origin
    "The last good answer: the business system is down."
    stale: Boolean!
    asOf: String
    metadata: JSON
  }

  type Fault {
    code: String!
    message: String!
    detail: JSON
  }

  type Log {
    messages: [Message!]!
    "Give it as after to go on."
    next: Int!
    "The oldest sequence that is kept."
    oldest: Int!
    "There were messages before the oldest that you have not seen."
    truncated: Boolean!
  }

  type Party {
    id: ID!
    role: Role!
    name: String
    tier: String
    attributes: JSON
  }
  type Media {
    url: String
    id: ID
    mediaType: String
    name: String
    "An integer; Int has 32 bits only."
    bytes: Float
  }
  type Part {
    kind: PartKind!
    text: String!
    media: Media
    data: JSON
  }

  type Message {
    id: ID!
    kind: Kind!
    type: String!
    channel: String!
    conversation: ID!
    direction: Direction!
    sequence: Int!
    sender: Party!
    text: String
    parts: [Part!]
    data: JSON
    externalId: ID
    inReplyTo: ID
    "An integer; Int has 32 bits only."
    clientSequence: Float
    receivedAt: String!
    occurredAt: String
    expiresAt: String
    priority: Priority
    correlationId: ID!
    causationId: ID
    traceparent: String!
    metadata: JSON
    "Of an answer: the business system is down, this is its last good one, of asOf."
    stale: Boolean
    asOf: String
    "Of an answer: the business system gave a part of it, and errors in place of the rest."
    partial: Boolean
    "The number stays, the content is gone: expired or erased."
    gone: String
  }
`
