/** Seconds of load before anything counts, until what runs often is compiled. */
export const WARM_S = 10
