// A letter that is edited and sent to nobody, as `dragoman dead edit` does.
import { sendEdited } from '../../../../bin/dead/dead-editor.ts'

await sendEdited('m1', { type: 'text', text: 'wrong' }, async (changes) => {
  process.stdout.write(JSON.stringify(changes))
})
