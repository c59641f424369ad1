-- Operation 4, settle: the first one ends the work, in one step with everything it owes; every later one gets its result.
local home, kind, id, attempt, outcome = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local fence, random, lease, delay = ARGV[8], ARGV[9], ARGV[10], tonumber(ARGV[11])
local tried, failure, reply, inbox = opt(ARGV[12]), opt(ARGV[13]), opt(ARGV[14]), ARGV[15] == '1'
local expected, agent, ticket, raise = tonumber(ARGV[16]), ARGV[17], opt(ARGV[18]), ARGV[19]
local timer_id, timer_delay, timer_target = opt(ARGV[20]), tonumber(ARGV[21]), ARGV[22]
local named, dead, tombstone, registered, customer = opt(ARGV[23]), opt(ARGV[24]), opt(ARGV[25]), ARGV[26], ARGV[27]
local at = 28
local replies = {}
for index = 1, tonumber(ARGV[at]) do
  local from = at + (index - 1) * 4
  replies[index] = { id = ARGV[from + 1], body = ARGV[from + 2], channel = ARGV[from + 3], received = ARGV[from + 4] }
end
at = at + 1 + #replies * 4
local pushes = {}
for index = 1, tonumber(ARGV[at]) do
  local from = at + (index - 1) * 4
  pushes[index] = { key = ARGV[from + 1], reply = tonumber(ARGV[from + 2]), part = ARGV[from + 3], channel = ARGV[from + 4] }
end
local PUSH_AFTER_WAIT = 500
local ref = LETTER[kind] .. id
local key = row(ref)
local has_fence = fence ~= '0'

local function ids_of()
  if #replies == 0 then return nil end
  local ids = {}
  for index, one in ipairs(replies) do ids[index] = #one.id .. ':' .. one.id end
  return table.concat(ids, ',')
end

-- Which row is meant: its conversation, and the message the work is for.
local number, in_conversation, origin_of, sequence, stands, wait_of, lane, priority, tried_before =
  fields(key, 'n', 'c', 'og', 's', 'st', 'wu', 'ln', 'pr', 'tr')
local is_known = number and (kind ~= 'message' or sequence)
local origin = kind == 'message' and id or origin_of or id
local conversation = named or (kind ~= 'claim' and in_conversation) or nil
local open = is_known and stands
local bound, epoch_text
if conversation then bound, epoch_text = fields(P .. 'conv:' .. conversation, 'home', 'epoch') end
local NOTHING = { 'settled', {}, {}, 0 }
-- SEMANTICS 7: begun under an owner who has the conversation no more.
local is_late = bound and expected and expected ~= tonumber(epoch_text or '0')

-- Looks; what it may not do it returns.
local function look()
  if not conversation then
    if #replies > 0 then return { 'error', 'INTERNAL', 'settle of "' .. id .. '" has replies and no conversation to append them to' } end
    return nil
  end
  local whose = owner_of(conversation, home, registered, bound)
  if whose == 'other' then return { 'error', 'FORBIDDEN', 'conversation "' .. conversation .. '" belongs to another customer' } end
  if whose == 'ask' then return { 'ask', conversation } end
  if is_late then return nil end
  for _, one in ipairs(replies) do
    if R('HEXISTS', row('m:' .. one.id), 's') == 1 then
      return { 'error', 'INTERNAL', 'reply "' .. one.id .. '" is in the log already' }
    end
  end
  return nil
end

local function owe_pushes(said, until_then)
  local due = until_then and until_then + PUSH_AFTER_WAIT or NOW
  for _, push in ipairs(pushes) do
    local push_ref = 'p:' .. push.key
    if R('EXISTS', row(push_ref)) == 0 then
      local owed = count('next', 1)
      local carried = replies[push.reply + 1].id
      R('HSET', row(push_ref), 'n', owed, 'c', conversation, 'lg', carried, 'og', origin, 'part', push.part, 'tg', push.channel)
      R('ZADD', P .. 'owed:' .. origin, owed, push_ref)
      R('ZADD', P .. 'carry:' .. carried, owed, push_ref)
      local lane = 'push:' .. push.channel .. ':' .. conversation
      open_work({ ref = push_ref, number = owed, lane = lane, priority = '1', due = due, fence = '0' })
    end
  end
end

local function owe_timer()
  local timer_ref = timer_id and ('t:' .. timer_id)
  if not timer_ref or R('EXISTS', row(timer_ref)) == 1 then return end
  local owed = count('next', 1)
  R('HSET', row(timer_ref), 'n', owed, 'c', conversation, 'lg', origin, 'og', origin, 'tg', timer_target)
  R('ZADD', P .. 'timers:' .. origin, owed, timer_ref)
  open_work({ ref = timer_ref, number = owed, lane = int(owed), priority = '1', due = NOW + math.max(0, timer_delay), fence = '0' })
end

-- Appends the replies and what is owed for them. { sequences, offsets }.
local function say(until_then)
  local said = { sequences = {}, offsets = {} }
  if not conversation then return said end
  if not bound then conversation_for(conversation, home, replies[1] and replies[1].channel or '', customer, 0) end
  for _, one in ipairs(replies) do
    one.inbox = inbox
    local sequence, offset = append(conversation, home, one)
    said.sequences[#said.sequences + 1] = sequence
    if offset > 0 then said.offsets[#said.offsets + 1] = offset end
  end
  owe_pushes(said, until_then)
  owe_timer()
  patch(conversation, agent, ticket, raise)
  return said
end

-- SEMANTICS 23, 26: an expired message keeps its number as a tombstone; one that was taken expires with the answer promised to it.
local expires = outcome == 'expired' and (kind == 'message' or (kind == 'timer' and R('HGET', row('m:' .. origin), 'oc') == 'taken'))

-- The front-end makes the tombstone: a body that is read here loses digits of its numbers.
local function look_buried()
  if not expires or tombstone then return nil end
  local where, sequence = fields(row('m:' .. origin), 'c', 's')
  if sequence and entry(where, sequence) then return { 'bury', origin } end
  return nil
end

local function entomb()
  if not tombstone then return end
  local where, sequence = fields(row('m:' .. origin), 'c', 's')
  if R('XDEL', P .. 'log:' .. where, sequence .. '-0') == 1 then R('HSET', P .. 'gone:' .. where, sequence, tombstone) end
end

-- What is late ends nothing: it is kept as a note, once, and the attempt that brought it is made again. A callback leaves the promise
-- as it stands: its deadline will be missed, or a fallback is at work on it.
local function keep_note()
  draining()
  keep_time()
  for _, one in ipairs(replies) do
    one.note = '1'
    if R('HEXISTS', row('m:' .. one.id), 's') == 0 then caused_by(origin, one.id, select(3, append(conversation, home, one))) end
  end
  if open == IN_FLIGHT and has_fence and R('HGET', key, 'a') == attempt then
    set_or_drop(key, 'tr', with_attempt(tried_before, tried))
    R('HINCRBY', key, 'un', -1)
    change_work(ref, WAITING, NOW)
  end
  return { 'notOwner' }
end

-- The clock, and one row less that is open.
local function tally()
  if kind == 'message' and not dead and outcome ~= 'expired' then
    R('HSET', META, 'clock', int(NOW), 'wall', int(WALL), 'open:message', int(tonumber(TOTALS.open) - 1), 'settled',
      int(tonumber(TOTALS.ended) + 1))
    return
  end
  keep_time()
  count('open:' .. kind, -1)
  if kind == 'message' then count(dead and 'dead' or 'expired', 1) end
  if kind == 'timer' and expires then
    count('settled', -1)
    count('expired', 1)
  end
end

local function first()
  local wait, attempts = wait_of, tried_before
  if kind == 'timer' then wait = R('HGET', row('m:' .. origin), 'wu') end
  draining()
  local said = say(tonumber(wait))
  -- What was halted is in the list with its older attempts.
  if attempts then drop_dead(id) end
  attempts = with_attempt(attempts, tried)
  if dead then bury(ref, home, dead, attempts) end
  leave_lane(ref, lane, priority)
  store_outcome(ref, { outcome = outcome, attempt = attempt, replies = ids_of(), wait = wait, reply = reply, failure = failure,
    attempts = attempts }, WORK_CELLS)
  tally()
  if kind == 'claim' then R('HDEL', key, 'b') end
  if kind == 'timer' and R('HGET', row('m:' .. origin), 'oc') == 'taken' then
    R('HSET', row('m:' .. origin), 'oc', outcome)
    set_or_drop(row('m:' .. origin), 'rp', reply)
    set_or_drop(row('m:' .. origin), 'fl', failure)
  end
  if expires then entomb() end
  if kind == 'push' and outcome == 'unknown' then count('doubt', 1) end
  return { 'settled', said.sequences, said.offsets, waiting_in(state_of(kind, lane)) }
end

-- What was unknown becomes known: by an operator, or by the late end of the call itself.
local function known()
  draining()
  keep_time()
  local said = say(nil)
  local attempts = with_attempt(R('HGET', key, 'tr'), tried)
  store_outcome(ref, { outcome = outcome, attempt = attempt, replies = ids_of(), reply = reply, failure = failure, attempts = attempts })
  drop_dead(id)
  return { 'settled', said.sequences, said.offsets, 0 }
end

-- The first result again, except where nobody knew it, or an operator drops a dead letter.
local function ended()
  local stored, note, tried_in, said, stored_reply, stored_failure = fields(key, 'oc', 'no', 'oa', 'or', 'rp', 'fl')
  -- Only an operator, or the late end of the call itself, settles without a fence.
  local is_late_word = not has_fence and not dead and outcome ~= 'unknown'
  if stored == 'unknown' and is_late_word then return look() or (is_late and keep_note() or known()) end
  if is_late_word and outcome == 'failed' and drop_dead(id) then return NOTHING end
  if not stored then return { 'already', 'taken', false, false } end
  local is_same = said and said == ids_of() and tried_in == attempt and (stored == outcome or note == '1')
  if not is_same then return { 'already', stored, stored_reply, stored_failure } end
  -- Of an earlier version: there a note ended what it was to answer.
  if note == '1' then return { 'notOwner' } end
  local sequences, offsets = {}, {}
  for _, one in ipairs(replies) do
    local sequence, offset = fields(row('m:' .. one.id), 's', 'o')
    if sequence then
      sequences[#sequences + 1] = tonumber(sequence)
      if offset ~= '0' then offsets[#offsets + 1] = tonumber(offset) end
    end
  end
  return { 'settled', sequences, offsets, 0 }
end

-- What stops its lane for an operator is his, whoever holds the partition.
local is_halt = open == WAITING and not has_fence and not dead and R('EXISTS', P .. 'dead:' .. id) == 1

local function retry()
  local lane, now_at, attempts = fields(key, 'ln', 'a', 'tr')
  -- What waits is let go by the holder alone; what flies ends its flight. An attempt that is over ends none that followed it.
  local is_released = (has_fence or is_halt) and not dead and open == WAITING
  if now_at == attempt and (is_released or open == IN_FLIGHT) then
    draining()
    keep_time()
    attempts = with_attempt(attempts, tried)
    set_or_drop(key, 'tr', attempts)
    if R('HINCRBY', key, 'un', -1) < 0 then R('HSET', key, 'un', 0) end
    if dead then bury(ref, home, dead, attempts) elseif is_released then drop_dead(id) end
    change_work(ref, WAITING, NOW + math.max(0, delay))
  end
  return { 'settled', {}, {}, waiting_in(state_of(kind, lane)) }
end

if not is_known then
  -- Cut from the log long ago; a dead letter of it may still be there.
  if outcome == 'failed' and not has_fence and not dead and drop_dead(id) then return NOTHING end
  if kind == 'timer' then return { 'already', 'expired', false, false } end
  return { 'gone' }
end
if not open then
  if outcome ~= 'retry' then return ended() end
  local stored, stored_reply = fields(key, 'oc', 'rp')
  return { 'already', stored or 'taken', stored_reply, false }
end
-- Lane work is ended by the partition's holder alone; what is settled without a fence is its own process' or a callback's.
local may_end
if is_halt then
  may_end = true
elseif kind == 'message' or kind == 'push' then
  may_end = is_current(lease, fence, random)
elseif has_fence then
  local name = lease_of(fence)
  may_end = name and is_current(name, fence, random)
else
  may_end = true
end
if not may_end then return { 'fenced' } end
if outcome == 'retry' then return retry() end
return look() or (is_late and keep_note() or look_buried() or first())
