// A worker of the membership's tests: still starting, or one that has begun and knows how to leave.
import { membership } from '../../../../bin/workers/membership.ts'

const member = membership()
if (process.env['MEMBER_CHILD'] === 'begun') member?.onLeave((why) => process.exit(why === 'alone' ? 0 : 9))
setInterval(() => undefined, 1000)
process.send?.('it is there')
