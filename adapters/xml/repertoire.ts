// What the standard of a multi-byte charset has: vendors put more under the same name, and not every reader knows it.

interface Repertoire {
  /** Whether this byte above 0x7F is a character alone. Absent: none is. */
  readonly single?: (byte: number) => boolean
  /** Whether the standard has a character that begins with these two bytes. */
  readonly pair: (lead: number, trail: number) => boolean
}

const repertoires: ReadonlyMap<string, Repertoire> = new Map<string, Repertoire>([
  // Without the extensions of Hong Kong (HKSCS) and ETEN.
  [
    'big5',
    {
      pair: (lead, trail) => {
        const code = lead * 256 + trail
        if (code < 0xa140 || code > 0xf9d5) return false
        return !isWithin(code, 0xa3c0, 0xa3fe) && !isWithin(code, 0xc6a1, 0xc8fe)
      },
    },
  ],
  ['big5-hkscs', { pair: (lead, trail) => lead !== 0xa3 || trail < 0xc0 }],
  // KS X 1001; windows-949 has the other syllables below.
  ['euc-kr', { pair: (lead, trail) => lead >= 0xa1 && trail >= 0xa1 }],
  ['cp932', { single: isHalfWidth, pair: () => true }],
  ['windows-31j', { single: isHalfWidth, pair: () => true }],
  // JIS X 0201 and 0208, without the rows of NEC and IBM, and the private one.
  [
    'shift_jis',
    {
      single: isHalfWidth,
      pair: (lead) => lead !== 0x87 && lead < 0xed,
    },
  ],
  // The same with JIS X 0212, whose three bytes begin with 8F.
  ['euc-jp', { pair: (lead) => lead !== 0xad && lead < 0xf9 }],
  // Without what GB 18030 has added; and windows-936 has the euro sign alone as 80.
  [
    'gbk',
    {
      pair: (lead, trail) => {
        if (lead === 0xa8) return trail !== 0xbc && trail !== 0xbf
        if (lead === 0xa9) return !isWithin(trail, 0x89, 0x95)
        return lead !== 0xfe || trail < 0x50
      },
    },
  ],
  // The part of GBK with both bytes above A0, without what GBK has added there.
  [
    'gb2312',
    {
      pair: (lead, trail) => {
        if (lead < 0xa1 || lead > 0xf7 || trail < 0xa1) return false
        if (lead === 0xa2) return trail > 0xaa
        if (lead === 0xa6) return !isWithin(trail, 0xe0, 0xf5)
        return lead !== 0xa8 || !isWithin(trail, 0xbb, 0xc0)
      },
    },
  ],
])

/** Whether the standard has this text, of which the charset or an extension of it has made these bytes. */
export function isStandard(text: string, bytes: Uint8Array, charset: string): boolean {
  const repertoire = repertoires.get(charset)
  if (repertoire === undefined) return true
  if (/[\uE000-\uF8FF]/.test(text)) return false // places for characters of one's own
  const { single, pair } = repertoire
  for (let i = 0; i < bytes.length; i++) {
    const lead = bytes[i] ?? 0
    if (lead < 0x80 || single?.(lead) === true) continue
    const trail = bytes[++i]
    if (trail === undefined || lead === 0x80 || !pair(lead, trail)) return false
    if (lead === 0x8f && charset === 'euc-jp') i++
  }
  return true
}

function isWithin(code: number, first: number, last: number): boolean {
  return code >= first && code <= last
}

function isHalfWidth(byte: number): boolean {
  return isWithin(byte, 0xa1, 0xdf)
}
