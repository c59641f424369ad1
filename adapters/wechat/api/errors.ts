// The one table of what the platform's error codes mean for a caller: retry, renew, wait for the customer, or give up.

/**
 * renew: the access token is not taken; get another one and try once more. later: nothing was done, the same may be sent
 * after a while. doubt: nobody knows whether it was done. window: the customer has been silent for too long. quota: the
 * messages his last action allowed are used up. cursor: the place to go on from is not known any more. setup: an operator
 * has to change something. refused: this call is wrong, and will be the next time.
 */
export type Verdict = 'renew' | 'later' | 'doubt' | 'window' | 'quota' | 'cursor' | 'setup' | 'refused'

export interface Ruling {
  readonly verdict: Verdict
  /** For people: what is wrong and what to do about it. Holds nothing that came over the line but the code and its text. */
  readonly says: string
}

type Row = readonly [verdict: Verdict, says: string]

/** developers.weixin.qq.com "全局返回码", developer.work.weixin.qq.com/document/path/90313. */
const table = new Map<number, Row>([
  [-1, ['doubt', 'the platform is busy']],
  [40_001, ['renew', 'the access token is not valid, or the secret is wrong']],
  [40_014, ['renew', 'the access token is not valid']],
  [41_001, ['renew', 'the access token is missing']],
  [42_001, ['renew', 'the access token has expired']],
  [45_009, ['later', 'the limit of calls to this interface is reached']],
  [45_011, ['later', 'the interface is called too often']],
  [45_033, ['later', 'too many calls at the same time']],
  [45_015, ['window', 'the customer has not written for 48 hours, or does not follow the account any more']],
  [
    45_047,
    ['quota', 'the customer-service messages that the last action of the customer allowed are used up'],
  ],
  [95_001, ['quota', 'five messages have been sent since the customer wrote last']],
  [95_002, ['window', 'the customer has not written for 48 hours']],
  [40_013, ['setup', 'the appid (corpid) is wrong']],
  [40_125, ['setup', 'the secret is wrong']],
  [40_164, ['setup', 'our address is not on the list of allowed ones: add it on the platform']],
  [40_243, ['setup', 'the secret is frozen: unfreeze it on the platform']],
  [41_002, ['setup', 'the appid is missing']],
  [41_004, ['setup', 'the secret is missing']],
  [42_009, ['setup', 'the ticket of the third-party platform has expired: the platform pushes a new one']],
  [48_001, ['setup', 'the account has no right to this interface: see its rights on the platform']],
  [48_004, ['setup', 'the interface is closed to this account: see the notice on the platform']],
  [50_002, ['setup', 'the account is restricted: see the notice on the platform']],
  [60_011, ['setup', 'the application may not reach this member or department']],
  [60_020, ['setup', 'our address is not on the list of trusted ones: add it on the platform']],
  [61_003, ['setup', 'the account has not authorised the third-party platform']],
  [61_004, ['setup', 'our address is not on the list of allowed ones: add it on the platform']],
  [61_005, ['setup', 'the ticket of the third-party platform has expired: the platform pushes a new one']],
  [61_006, ['setup', 'the ticket of the third-party platform is not valid: the platform pushes a new one']],
  [61_007, ['setup', 'the account has not given the third-party platform this right']],
  [95_011, ['setup', 'this 微信客服 is managed in WeCom: use the secret of the WeCom application']],
  [95_012, ['setup', 'this 微信客服 is not managed in WeCom']],
  [95_017, ['setup', 'the API of this 微信客服 is switched off: switch it on in its settings']],
  [95_007, ['cursor', 'the token of the event is not valid any more']],
  [40_003, ['refused', 'there is no such openid']],
  [40_007, ['refused', 'there is no such media_id, or it is older than three days']],
  [40_008, ['refused', 'this account does not take messages of this type']],
  [43_004, ['refused', 'the receiver does not follow the account']],
  [43_019, ['refused', 'the receiver is on the black list']],
  [43_101, ['refused', 'the receiver does not take this kind of message']],
  [44_004, ['refused', 'the text is empty']],
  [45_001, ['refused', 'the file is too large']],
  [45_002, ['refused', 'the text is too long']],
  [47_001, ['refused', 'the parameters are not what this interface takes']],
  [48_002, ['refused', 'the receiver has switched off messages of this account']],
  [81_013, ['refused', 'the application reaches none of the receivers']],
  [95_000, ['refused', 'there is no such customer-service account']],
  [95_013, ['refused', 'the session has ended']],
  [95_016, ['refused', 'the session cannot change to that state']],
  [95_018, ['refused', 'a person has the session, or it has ended: nothing can be sent through the API now']],
])

const MAX_TEXT = 200

/** What an `errcode` other than 0 means. A code the table does not know is a refusal with the platform's own words. */
export function rulingOf(code: number, text = ''): Ruling {
  const [verdict, says] = table.get(code) ?? (['refused', 'the platform refuses it'] as const)
  const own = plainText(text)
  return { verdict, says: `${says} (${code}${own === '' ? '' : ` ${own}`})` }
}

/** The platform's words without the request ids and our own address that follow them. */
function plainText(text: string): string {
  const [before = ''] = text.split(/[,.]?\s*(?:hint|rid|from ip|more info at)\b/iu)
  return before
    .replace(/[\p{Cc}\p{Cs}]+/gu, ' ')
    .trim()
    .slice(0, MAX_TEXT)
}
