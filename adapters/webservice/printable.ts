// Text for people in a document: what XML has no character for is written as its number.

// XML 1.0 §2.2 [2] Char, turned round; with the u flag a lone surrogate is one of them.
const unspeakable = /[^\u0009\u000A\u000D\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu

/** A message that quotes what it refuses can still be told: `\u0000` for NUL. */
export function printable(text: string): string {
  return text.replaceAll(
    unspeakable,
    (character) => String.raw`\u` + (character.codePointAt(0) ?? 0).toString(16).padStart(4, '0'),
  )
}
