// The link's starting values, each with the clause it comes from.

/** DESIGN §12: frames on their way at once, up and down. */
export const WINDOW = { up: 32, down: 64 } as const
/** Seconds; a link that is silent for longer should say ping. */
export const HEARTBEAT_S = 25
/** DESIGN §16: one frame on every link. */
export const FRAME_BYTES = 64 * 1024
/** A request to /v1/link, as a message of a WebSocket and a packet of MQTT (DESIGN §12): frames, and room to refuse one that is too large. */
export const REQUEST_BYTES = 256 * 1024
/** Frames in one array. */
export const FRAMES_AT_ONCE = 256
/** Arrivals that wait behind the one in hand; a transport with back pressure has one. */
export const ARRIVALS_WAITING = 256
/** Refusals kept for a device that never says it has heard them (SEMANTICS 14). */
export const REFUSALS_KEPT = 1000
/** The last of them go with every `ok`, and all that the link has not told yet. */
export const REFUSALS_TOLD = 32
/** Rows of the inbox read at once: what a reader costs while it takes them. */
export const PAGE_ROWS = 16
/** What was read and not taken for this long is forgotten; the log still has it. */
export const FORGET_MS = 1000
/** SEMANTICS 33: a hint may be lost, so an idle link looks all the same. */
export const LOOK_MS = 30_000
/** How long to wait where the store cannot be read. */
export const RETRY_MS = 1000
/** A customer whose last link went stays present for as long: the time of a tunnel. */
export const GRACE_MS = 30_000
/** Presence as other instances see it, and how often it is renewed. */
export const PRESENCE_TTL_MS = 300_000
export const PRESENCE_RENEW_MS = 120_000
/** SEMANTICS 41: an id older than the memory, less this (half of a memory that is shorter than twice as much), is not taken as new. */
export const AGE_MARGIN_MS = 3_600_000
/** SEMANTICS 13: how long a device's boot is known. */
export const BOOT_KEPT_MS = 90 * 86_400_000
/** Apps that are sent away when the gateway stops come back spread over this time. */
export const MOVED_WITHIN_MS = 3000
/** An app whose credential is no good here should not come back at once. */
export const AUTH_AFTER_MS = 30_000
/** A link is not ended by a newer one elsewhere before it is this old. */
export const JUST_COME_MS = 2000
