-- Lanes: one sorted set each by the rows' numbers; a lane stands in the set of what is ready, of what waits for time, or in neither
-- while its head is in flight. `state` of a lane: how many of each priority are in it, and where it stands.

local WAITING, IN_FLIGHT, HANDED, ORPHANED = '0', '1', '2', '3'

local function lane_key(kind, lane)
  return P .. 'lane:' .. kind .. ':' .. lane
end

local function state_of(kind, lane)
  local text = R('HGET', P .. 'lanes:' .. kind, lane)
  if not text then return { 0, 0, 0, 0, '-' } end
  local a, b, c, d, at = string.match(text, '^(%d+),(%d+),(%d+),(%d+),(.)$')
  return { tonumber(a), tonumber(b), tonumber(c), tonumber(d), at }
end

local function leave(kind, lane, at)
  if at == '-' then return end
  R('ZREM', P .. (at == 't' and 'due:' or 'ready:' .. at .. ':') .. kind, lane)
end

local function level_of(state)
  for level = 3, 1, -1 do
    if state[level + 1] > 0 then return level end
  end
  return 0
end

-- Puts the lane where its head says.
local function place(kind, lane, state)
  local head = R('ZRANGE', lane_key(kind, lane), 0, 0)[1]
  if not head then
    leave(kind, lane, state[5])
    R('HDEL', P .. 'lanes:' .. kind, lane)
    return
  end
  local status, due = fields(row(head), 'st', 'du')
  local at = '-'
  if status ~= IN_FLIGHT then at = tonumber(due) > NOW and 't' or tostring(level_of(state)) end
  if at ~= state[5] then
    leave(kind, lane, state[5])
    if at ~= '-' and at ~= 't' then R('ZADD', P .. 'ready:' .. at .. ':' .. kind, count('order', 1), lane) end
  end
  if at == 't' then R('ZADD', P .. 'due:' .. kind, due, lane) end
  state[5] = at
  R('HSET', P .. 'lanes:' .. kind, lane, table.concat(state, ','))
end

local function level(priority)
  return math.max(0, math.min(3, math.floor(tonumber(priority) or 0)))
end

local function rows_in(state)
  return state[1] + state[2] + state[3] + state[4]
end

-- A lane that has rows and stands in no set: its head is in flight.
local function is_flying(state)
  return state[5] == '-' and rows_in(state) > 0
end

-- Rows of one lane that wait, the one in flight not among them.
local function waiting_in(state)
  return rows_in(state) - (is_flying(state) and 1 or 0)
end

-- A row's cells of open work: { ref, number, lane, priority, due, fence, wait, media, raw }. `fence` of '0': it waits.
local function work_cells(work, cells)
  local begun = work.fence ~= '0'
  local one = begun and '1' or '0'
  local function add(name, value)
    if value == nil then return end
    cells[#cells + 1] = name
    cells[#cells + 1] = value
  end
  add('st', begun and IN_FLIGHT or WAITING)
  add('ln', work.lane)
  add('pr', work.priority)
  add('du', int(work.due))
  add('a', one)
  add('un', one)
  add('fe', work.fence)
  if begun then
    add('fi', int(NOW))
    add('be', int(WALL))
  end
  if work.wait then add('wu', int(work.wait)) end
  add('mt', work.media)
  if work.media then add('raw', work.raw) end
end

-- Puts a row that was written into its lane; the caller has counted it as open. `state`: the lane's, as it is.
local function enter_lane(kind, work, state)
  local begun, flies = work.fence ~= '0', is_flying(state)
  R('ZADD', P .. 'open', work.number, work.ref)
  R('ZADD', lane_key(kind, work.lane), work.number, work.ref)
  if begun then R('ZADD', P .. 'flying:' .. kind, work.fence, work.ref) end
  local at = level(work.priority) + 1
  state[at] = state[at] + 1
  if begun or flies then
    -- Its head is in flight: it stands in no set.
    R('HSET', P .. 'lanes:' .. kind, work.lane, table.concat(state, ','))
  else
    place(kind, work.lane, state)
  end
end

local function open_work(work)
  local kind = kind_of(work.ref)
  local cells = {}
  work_cells(work, cells)
  R('HSET', row(work.ref), unpack(cells))
  count('open:' .. kind, 1)
  enter_lane(kind, work, state_of(kind, work.lane))
end

-- What a row has of these goes when it ends.
local WORK_CELLS = { 'st', 'ln', 'pr', 'du', 'a', 'un', 'fe', 'fi', 'be', 'mt', 'raw' }

-- A row that ends leaves its lane; the caller counts it.
local function leave_lane(ref, lane, priority)
  local kind = kind_of(ref)
  R('ZREM', P .. 'open', ref)
  R('ZREM', lane_key(kind, lane), ref)
  R('ZREM', P .. 'flying:' .. kind, ref)
  local state = state_of(kind, lane)
  local at = level(priority) + 1
  state[at] = state[at] - 1
  place(kind, lane, state)
end

-- Another state of a row, and the lane with it. Only what takes off has a `fence`: it stays in the row, to tell who began it last.
local function change_work(ref, status, due, fence)
  local kind = kind_of(ref)
  local lane = R('HGET', row(ref), 'ln')
  if fence then
    R('HSET', row(ref), 'st', status, 'du', int(due), 'fe', fence)
    R('ZADD', P .. 'flying:' .. kind, fence, ref)
  else
    R('HSET', row(ref), 'st', status, 'du', int(due))
    R('ZREM', P .. 'flying:' .. kind, ref)
  end
  place(kind, lane, state_of(kind, lane))
end

-- Raises the attempt before any outward call (SEMANTICS 16).
local function begin_work(ref, fence)
  local key = row(ref)
  R('HINCRBY', key, 'a', 1)
  R('HINCRBY', key, 'un', 1)
  -- SEMANTICS 19: under another fence goes on what was held when it was last begun or due, not what has passed since.
  local before, first, due = fields(key, 'fe', 'fi', 'du')
  if before ~= fence then R('HSET', key, 'fi', int(NOW - (first and math.max(0, due - first) or 0))) end
  R('HSET', key, 'be', int(WALL))
  change_work(ref, IN_FLIGHT, NOW, fence)
end

-- In flight under a lease that is gone: due since it was begun.
local function orphan(kind, most)
  local flying = R('ZRANGE', P .. 'flying:' .. kind, 0, most - 1, 'WITHSCORES')
  local alive = {}
  for index = 1, #flying, 2 do
    local fence = flying[index + 1]
    if alive[fence] == nil then alive[fence] = owns(fence) end
    local ref = flying[index]
    if not alive[fence] then change_work(ref, ORPHANED, R('HGET', row(ref), 'du')) end
  end
end

-- Attempts are lines of JSON; `attempt` is one or more. A row that is retried for days keeps the last ones.
local ATTEMPTS_KEPT = 32

local function with_attempt(attempts, attempt)
  if not attempt then return attempts end
  if not attempts then return attempt end
  local longer = attempts .. '\n' .. attempt
  local _, breaks = string.gsub(longer, '\n', '')
  for _ = ATTEMPTS_KEPT, breaks do longer = string.sub(longer, string.find(longer, '\n', 1, true) + 1) end
  return longer
end

-- An attempt that began and whose end nobody saw: its number and the moment, in words where it is read.
local function note_lost(ref)
  local attempt, began, attempts = fields(row(ref), 'a', 'be', 'tr')
  R('HSET', row(ref), 'tr', with_attempt(attempts, '!' .. attempt .. ',' .. (began or '0')))
end
