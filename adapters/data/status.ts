// What a status of HTTP says of the business.

/** 4xx that say nothing of it: our credential, or not now (DESIGN §10; RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4). */
export const NOT_BUSINESS: ReadonlySet<number> = new Set([401, 403, 408, 425, 429])
