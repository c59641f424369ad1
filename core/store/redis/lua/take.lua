-- Operation 3, take: the heads that are due, begun durably as they are handed out.
local lease, fence, random, max, most_bytes = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local LOST = '{"code":"INTERNAL","message":"the store has its message no more"}'
local ORPHANS, RIPE, ATTEMPT_LIMIT = 1000, 1000, 3
if not is_live(lease, fence, random) then return { 'fenced' } end
draining()
keep_time()

local kinds = {}
for index = 8, #ARGV do kinds[#kinds + 1] = ARGV[index] end

-- What waited for time and is due now.
local function ripen(kind)
  local ripe = R('ZRANGEBYSCORE', P .. 'due:' .. kind, '-inf', int(NOW), 'LIMIT', 0, RIPE)
  for _, lane in ipairs(ripe) do place(kind, lane, state_of(kind, lane)) end
end

-- Highest priority first, whatever the kind.
local heads = {}
for _, kind in ipairs(kinds) do
  orphan(kind, ORPHANS)
  ripen(kind)
end
for at = 3, 0, -1 do
  for _, kind in ipairs(kinds) do
    local left = max - #heads
    if left > 0 then
      for _, lane in ipairs(R('ZRANGE', P .. 'ready:' .. at .. ':' .. kind, 0, left - 1)) do
        heads[#heads + 1] = { kind = kind, lane = lane }
      end
    end
  end
end

local work, lost, bytes = {}, {}, 0

-- Ends what cannot even be a dead letter: it would hold up its lane, and this take, for ever.
local function give_up(kind, ref)
  -- Whether a call was made nobody knows.
  end_work(ref, { outcome = kind == 'claim' and 'unknown' or 'failed', failure = LOST })
  if kind == 'message' then count('dead', 1) end
  lost[#lost + 1] = { kind, id_of(ref) }
end

local function begin(head)
  local ref = R('ZRANGE', lane_key(head.kind, head.lane), 0, 0)[1]
  local key = row(ref)
  local id = id_of(ref)
  local state, media, raw, subject, part, target, body, home, wait =
    fields(key, 'st', 'mt', 'raw', 'lg', 'part', 'tg', 'b', 'h', 'wu')
  local note, sequence, epoch, agent = '0', '0', '0', false
  if head.kind ~= 'claim' then
    local conversation
    conversation, sequence = fields(row('m:' .. (subject or id)), 'c', 's')
    if conversation then
      body, note = entry(conversation, sequence)
      home, epoch, agent = fields(P .. 'conv:' .. conversation, 'home', 'epoch', 'agent')
    end
  end
  if not body or not home then return give_up(head.kind, ref) end
  -- In flight under a fence that is gone, or handed to a waiter who never reported: nobody knows how it ended.
  local is_orphan = state == ORPHANED or state == HANDED
  if state == ORPHANED then note_lost(ref) end
  begin_work(ref, fence)
  if is_orphan and head.kind == 'push' then count('doubt', 1) end
  local attempt, unended, first, attempts = fields(key, 'a', 'un', 'fi', 'tr')
  bytes = bytes + #body + #(raw or '')
  work[#work + 1] = { head.kind, id, home, head.lane, attempt, tonumber(unended) > ATTEMPT_LIMIT and '1' or '0', is_orphan and '1' or '0',
    body, note, sequence, media, raw, part, target, epoch, agent, int(NOW - tonumber(first)), attempts, wait and tonumber(wait) > NOW and '1' or '0' }
end

local begun = 0
for _, head in ipairs(heads) do
  if bytes >= most_bytes then break end
  begin(head)
  begun = begun + 1
end

local waiting, next_due = 0, false
for _, kind in ipairs(kinds) do
  waiting = waiting + tonumber(R('HGET', META, 'open:' .. kind) or '0') - R('ZCARD', P .. 'flying:' .. kind)
  local soon = R('ZRANGE', P .. 'due:' .. kind, 0, 0, 'WITHSCORES')[2]
  local due = soon and math.max(0, tonumber(soon) - NOW)
  -- More than was asked for may be ready; else all that was is in flight.
  for at = 0, (#heads == max or begun < #heads or #lost > 0) and 3 or -1 do
    if R('EXISTS', P .. 'ready:' .. at .. ':' .. kind) == 1 then due = 0 end
  end
  if due and (not next_due or due < next_due) then next_due = due end
end
return { 'taken', work, waiting, next_due and int(next_due), lost }
