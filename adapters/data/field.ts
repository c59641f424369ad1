// What goes out in HTTP header fields.

/** RFC 9110 §5.5: no line ends (they would begin another field), and nothing beyond Latin-1. */
export function isFieldValue(text: string): boolean {
  return /^[\t\u{20}-\u{7e}\u{a0}-\u{ff}]*$/u.test(text)
}
