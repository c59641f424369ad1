// Pages of HTML where an answer of a business system should be: no answer, whatever they call themselves.
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { asked, dialects } from './canned.ts'

test.each(dialects)('%s: a page of HTML is none, however well formed', async (dialect) => {
  for (const body of ['<html>login</html>', '<!-- sso --><HTML xmlns="http://www.w3.org/1999/xhtml"/>']) {
    const failed = asked({ dialect }, { type: 'Text/HTML; charset=utf-8', body })
    await expect(failed).rejects.toMatchObject({ code: 'BACKEND_FAILED', detail: { status: 200 } })
  }
})

test.each(dialects)('%s: nor is a page of HTML that is called XML, as a login may be', async (dialect) => {
  const pages = [
    '<html xmlns="http://www.w3.org/1999/xhtml">login</html>',
    '<html><head><title>login</title></head><body/></html>',
    '<HTML><BODY>login</BODY></HTML>',
    '<html>Session expired</html>',
    '<html/>',
    '<html><frameset/></html>',
    '<html><form/></html>',
    '<html xmlns="http://www.w3.org/TR/REC-html40"><p/></html>',
  ]
  for (const body of pages)
    for (const type of ['text/xml', 'application/xml', '']) {
      const failed = asked({ dialect }, { type, body })
      await expect(failed).rejects.toMatchObject({ code: 'BACKEND_FAILED', detail: { status: 200 } })
    }
})

test('a document that the schema calls html is an answer', async () => {
  const schema = join(await mkdtemp(join(tmpdir(), 'pox-')), 'html.xsd')
  await writeFile(
    schema,
    '<x:schema xmlns:x="http://www.w3.org/2001/XMLSchema"><x:element name="html"><x:complexType><x:sequence><x:element name="body" type="x:string"/></x:sequence></x:complexType></x:element></x:schema>',
  )
  for (const type of ['text/xml', 'text/html']) {
    const { answer } = await asked({ dialect: 'pox', schema }, { type, body: '<html><body>7</body></html>' })
    expect(answer).toEqual({ data: { body: '7' } })
  }
})

test('XML under the type of HTML, as old servers send it, is an answer; a document called html too', async () => {
  const old = await asked({ dialect: 'pox' }, { type: 'text/html', body: '<R><no>7</no></R>' })
  expect(old.answer).toEqual({ data: { no: '7' } })
  expect((await asked({ dialect: 'pox' }, { body: '<html><no>7</no></html>' })).answer).toEqual({
    data: { no: '7' },
  })
})
