// What the platform's schemas repeat, as lists: also of one or none, in XML and in JSON.
import type { Json } from 'dragoman'

import type { Product } from './account.ts'
import { isFields, listIn, textIn } from './document.ts'
import type { Fields } from './document.ts'

const pictures = ['SendPicsInfo.PicList.item']
/** WeCom repeats <PicList> itself. */
const picturesOfWeCom = ['SendPicsInfo.PicList', ...pictures]

/** By the name of an event, or a third party's notice, in lower case: paths of what repeats, outer ones first. */
const repeated: ReadonlyMap<string, readonly string[]> = new Map([
  ['subscribe_msg_popup_event', ['List', 'SubscribeMsgPopupEvent.List']],
  ['subscribe_msg_change_event', ['List', 'SubscribeMsgChangeEvent.List']],
  ['subscribe_msg_sent_event', ['List', 'SubscribeMsgSentEvent.List']],
  ['pic_sysphoto', pictures],
  ['pic_photo_or_album', pictures],
  ['pic_weixin', pictures],
  ['masssendjobfinish', ['CopyrightCheckResult.ResultList.item', 'ArticleUrlResult.ResultList.item']],
  ['publishjobfinish', ['PublishEventInfo.article_detail.item', 'PublishEventInfo.fail_idx']],
  ['wxa_appeal_record', ['material', 'material.appeal_material.proof_material_id']],
  [
    'template_card_event',
    [
      'SelectedItems.SelectedItem',
      'SelectedItems.SelectedItem.OptionIds.OptionId',
      // As WeCom's own sample has it.
      'SelectedItems.SelectedItem.OpitonIds.OpitonId',
    ],
  ],
  ['shakearoundusershake', ['AroundBeacons.AroundBeacon']],
  ['change_contact', ['ExtAttr.Item']],
  ['change_external_chat', ['MemChangeList.Item']],
  [
    'sys_approval_change',
    [
      'ApprovalInfo.SpRecord',
      'ApprovalInfo.SpRecord.Details',
      'ApprovalInfo.Notifyer',
      'ApprovalInfo.Comments',
    ],
  ],
  [
    'open_approval_change',
    [
      'ApprovalInfo.ApprovalNodes.ApprovalNode',
      'ApprovalInfo.ApprovalNodes.ApprovalNode.Items.Item',
      'ApprovalInfo.NotifyNodes.NotifyNode',
    ],
  ],
])

/**
 * The fields of an event with what its schema repeats as lists (DESIGN §3 "XML and JSON"). An empty element around them holds a
 * list of none, as `null` does in JSON; one that is not there stays away.
 */
export function withLists(fields: Fields, product: Product): Fields {
  const event = (textIn(fields, 'Event') ?? textIn(fields, 'InfoType') ?? '').toLowerCase()
  const known = repeated.get(event)
  const paths = known === pictures && product === 'wecom' ? picturesOfWeCom : known
  return (paths ?? []).reduce((listed, path) => {
    const names = path.split('.')
    const [first = ''] = names
    return Object.hasOwn(listed, first) ? memberListed(listed, names) : listed
  }, fields)
}

function memberListed(fields: Fields, [name = '', ...rest]: readonly string[]): Fields {
  if (rest.length === 0) return { ...fields, [name]: listIn(fields, name) }
  const value = Object.hasOwn(fields, name) ? fields[name] : undefined
  return value === undefined ? fields : { ...fields, [name]: valueListed(value, rest) }
}

function valueListed(value: Json, names: readonly string[]): Json {
  if (Array.isArray(value)) return value.map((each: Json) => valueListed(each, names))
  if (isFields(value)) return memberListed(value, names)
  return (value === '' || value === null) && names.length === 1 ? memberListed({}, names) : value
}
