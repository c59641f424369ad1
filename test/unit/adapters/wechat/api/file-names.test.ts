// Names of files that are sent and fetched: whole, in whatever letters, and nothing in them that is no name.
import type { Part } from 'dragoman'
import { expect, test } from 'vitest'
import { contentsOf } from '../../../../../adapters/wechat/api/contents.ts'
import { nameIn, shownName } from '../../../../../adapters/wechat/api/file-names.ts'
import { createMedia } from '../../../../../adapters/wechat/api/media.ts'
import type { FileAt } from '../../../../../adapters/wechat/api/media.ts'

const HOST = 'https://files.example'
const pdf = { 'content-type': 'application/pdf' }
const png = { 'content-type': 'image/png' }
const octets = 'application/octet-stream'

/** The names under which these files are uploaded, in order. */
async function uploadedAs(
  files: readonly FileAt[],
  headers: Readonly<Record<string, string>>,
): Promise<readonly unknown[]> {
  const names: unknown[] = []
  const media = createMedia(
    async () => new Response('x', { headers }),
    async ({ body }) => {
      const file = body instanceof FormData ? body.get('media') : undefined
      names.push(file instanceof File ? file.name : file)
      return { status: 'ok', fields: { media_id: `m${names.length}` } }
    },
  )
  const signal = new AbortController().signal
  for (const file of files) await media.ofUrl(file, { signal })
  return names
}

test.each<[string, Partial<FileAt>, Readonly<Record<string, string>>, string]>([
  ['the name of the part', { name: '保单_王小明.docx' }, { 'content-type': octets }, '保单_王小明.docx'],
  [
    'its ending from the address',
    { name: '保单', url: `${HOST}/7.docx` },
    { 'content-type': octets },
    '保单.docx',
  ],
  ['its ending from the type', { name: '照片' }, { 'content-type': 'image/png; x=y' }, '照片.png'],
  [
    'the address, percent-decoded',
    { url: `${HOST}/%E4%BF%9D%E5%8D%95.docx` },
    { 'content-type': octets },
    '保单.docx',
  ],
  [
    'who answers knows better than the address',
    { url: `${HOST}/download.php` },
    { 'content-disposition': `attachment; filename*=UTF-8''%E4%BF%9D%E5%8D%95.docx` },
    '保单.docx',
  ],
  ['no path, no quotes, no controls', { name: '../a"b\\c\u0007\u202Ed.pdf' }, {}, '.._a_b_c__d.pdf'],
  ['nothing of a name left', { name: '..' }, { 'content-type': 'application/pdf' }, 'file.pdf'],
  ['an address that is badly encoded', { url: `${HOST}/%FF.pdf` }, {}, '%FF.pdf'],
  ['an address that names no file', { url: `${HOST}/get?id=7` }, { 'content-type': 'text/csv' }, 'file.csv'],
  ['an ending has a letter in it', { name: '账单2026.11' }, pdf, '账单2026.11.pdf'],
  ['an ending may be long', { name: 'plan.sketch' }, pdf, 'plan.sketch'],
  ['no version is an ending', { url: `${HOST}/v1.0` }, pdf, 'file.pdf'],
  [
    'its type before the ending of a script',
    { name: '账单', url: `${HOST}/bill.aspx?id=7` },
    pdf,
    '账单.pdf',
  ],
  ['the address, but for the ending of a script', { url: `${HOST}/captcha.php` }, png, 'captcha.png'],
  ['the address where its ending is one of a file', { url: `${HOST}/a.docx` }, pdf, 'a.docx'],
  [
    'the address where its type is of many files',
    { url: `${HOST}/a.json` },
    { 'content-type': 'text/plain' },
    'a.json',
  ],
])('a file is uploaded by %s', async (_, more, headers, name) => {
  expect(await uploadedAs([{ url: `${HOST}/x`, type: 'file', ...more }], headers)).toEqual([name])
})

test('a part’s name goes along, and one file under two names is two uploads', async () => {
  const asked: FileAt[] = []
  const url = `${HOST}/7.docx`
  for (const name of ['a.docx', 'b.docx', 'a.docx']) {
    const part: Part = { kind: 'file', text: '您的保单', media: { url, name } }
    const upload = async (file: FileAt): Promise<string> => `m${asked.push(file)}`
    await contentsOf(part, 'wecom', upload)
  }
  expect(await uploadedAs(asked, {})).toEqual(['a.docx', 'b.docx'])
})

test('a long name is cut before its ending, and between letters', () => {
  const name = shownName(`${'保单👨‍👩‍👧'.repeat(40)}.docx`, '.bin') ?? ''
  expect(name).toMatch(/^(?:保单👨‍👩‍👧){4}保单\.docx$/u)
  expect(Buffer.byteLength(name)).toBeLessThanOrEqual(120)
})

/** As fetch hands it over. */
const bytes = (text: string): string => Buffer.from(text).toString('latin1')

/** 保单 */
const gbk = '\u00B1\u00A3\u00B5\u00A5'

test.each([
  ['UTF-8 as it is', bytes('attachment; filename="保单.pdf"'), '保单.pdf'],
  ['`filename*` before `filename`', `attachment; filename="%E4"; filename*=utf-8''%E4%BF%9D.pdf`, '保.pdf'],
  ['`filename*` alone', `attachment;filename*=UTF-8'zh'%E4%BF%9D.pdf`, '保.pdf'],
  ['ISO-8859-1', `attachment; filename*=iso-8859-1'en'caf%E9.pdf`, 'café.pdf'],
  ['a charset nobody knows', `attachment; filename*=gbk''%B1%A3.pdf; filename=a.pdf`, 'a.pdf'],
  ['a `filename*` that is no UTF-8', `attachment; filename*=UTF-8''%FF.pdf; filename=a.pdf`, 'a.pdf'],
  ['what is Latin-1 and no UTF-8', 'attachment; filename="caf\u00E9.pdf"', 'café.pdf'],
  ['quotes and semicolons in quotes', String.raw`attachment; filename="a\"b;c.pdf"`, 'a"b;c.pdf'],
  ['no quotes', 'attachment; filename=media.jpg; size=7', 'media.jpg'],
  [
    'what in quotes looks like another',
    `attachment; filename="x; filename*=UTF-8''evil.exe"`,
    "x; filename*=UTF-8''evil.exe",
  ],
  ['a `filename*` with a blank in it', `attachment; filename="a b.pdf"; filename*=UTF-8''a b.pdf`, 'a b.pdf'],
  ['percent-encoded although it is plain', 'attachment; filename="%E4%BF%9D%E5%8D%95.xlsx"', '保单.xlsx'],
  ['a percent sign that encodes nothing', 'attachment; filename="100% ok.pdf"', '100% ok.pdf'],
  ['GBK', `attachment; filename="${gbk}.pdf"`, '保单.pdf'],
  ['single letters of Latin-1 between others', 'attachment; filename="r\u00E9sum\u00E9s.pdf"', 'résumés.pdf'],
  ['before any type', 'filename = a.pdf ;size=7', 'a.pdf'],
  ['an empty name', 'attachment; filename=""', undefined],
  ['no name', 'attachment', undefined],
  ['no header', null, undefined],
])('the name in a Content-Disposition: %s (RFC 6266 §4.3)', (_, header, name) => {
  expect(nameIn(header)).toBe(name)
})
