-- Operation 13, trim: one slice of cutting fronts by age and size, then of what has outlived its time.
local older, most_bytes, from, slice = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local SETTLED_KEPT, DEVICE_KEPT, LEASE_KEPT, LATER = 72 * 3600000, 90 * DAY, 3600000, 3600000
draining()
keep_time()
local removed = 0

local function any_open(key)
  for _, ref in ipairs(R('ZRANGE', key, 0, -1)) do
    if R('HEXISTS', row(ref), 'st') == 1 then return true end
  end
  return false
end

-- A reply's row is held by its push, a message's by its work and by its timer.
local function is_held(id)
  return R('HEXISTS', row('m:' .. id), 'st') == 1 or any_open(P .. 'carry:' .. id) or any_open(P .. 'timers:' .. id)
end

local function cut_inbox(home, offset)
  local home_key = P .. 'home:' .. home
  if tonumber(R('HGET', home_key, 'oldest') or '1') > offset then return end
  removed = removed + R('XTRIM', P .. 'inbox:' .. home, 'MINID', int(offset + 1))
  if R('XLEN', P .. 'inbox:' .. home) == 0 then R('DEL', P .. 'inbox:' .. home) end
  R('HSET', home_key, 'oldest', int(offset + 1))
end

-- Where the user lacks a right it ends in the middle, and a later one does it again: what counts comes behind all that may be refused,
-- but for the row's place in the walk, which passes over what has no row.
local function cut_log(id, conversation, sequence, size)
  local log = P .. 'log:' .. conversation
  R('XDEL', log, sequence .. '-0')
  if R('XLEN', log) == 0 then R('DEL', log) end
  R('HDEL', P .. 'gone:' .. conversation, sequence)
  R('DEL', P .. 'caused:' .. id)
  count('bytes', -tonumber(size))
  R('HSET', P .. 'conv:' .. conversation, 'oldest', int(tonumber(sequence) + 1))
  -- The outcome outlives content and claim, whichever goes last.
  if R('HEXISTS', row('m:' .. id), 'k') == 1 then
    R('HDEL', row('m:' .. id), 's', 'o', 'c', 'z', 'at')
  else
    R('DEL', row('m:' .. id))
  end
  R('ZREM', P .. 'rows', id)
  removed = removed + 1
end

-- Rows in the order they were appended: the first that stays by age ends the walk. False: the walk is not at its end.
local function walk()
  local found = R('ZRANGEBYSCORE', P .. 'rows', '(' .. int(from), '+inf', 'WITHSCORES', 'LIMIT', 0, slice)
  for index = 1, #found, 2 do
    local id = found[index]
    local at, conversation, sequence, offset, size = fields(row('m:' .. id), 'at', 'c', 's', 'o', 'z')
    local too_large = tonumber(R('HGET', META, 'bytes') or '0') > most_bytes
    if sequence and not (too_large or tonumber(at) < NOW - older) then return true end
    from = tonumber(found[index + 1])
    if not sequence then
      -- An accept that was broken off has left it: there is no such row.
      R('ZREM', P .. 'rows', id)
    else
      local home, oldest = fields(P .. 'conv:' .. conversation, 'home', 'oldest')
      if offset ~= '0' then cut_inbox(home, tonumber(offset)) end
      if oldest == sequence and not is_held(id) then cut_log(id, conversation, sequence, size) end
    end
  end
  return #found < slice * 2
end

local function sweep(index, before, drop)
  local over = R('ZRANGEBYSCORE', P .. index, '-inf', int(before), 'LIMIT', 0, slice)
  for _, name in ipairs(over) do drop(name) end
  return #over < slice
end

-- Only completed claims end by time (SEMANTICS 1); an unknown one waits for an operator, however long (SEMANTICS 2).
local function sweep_claim(key)
  local ref = R('HGET', P .. 'key:' .. key, 'ref')
  local state = ref and standing(ref)
  if state == 'running' or state == 'begun' or state == 'unknown' then
    R('ZADD', P .. 'keys', int(NOW + LATER), key)
    return
  end
  drop_claim(key)
  removed = removed + 1
end

-- Settled pushes and timers are remembered for 72 h, and as long as a duplicate of their message may ask.
local function sweep_settled(ref)
  local origin, carried = fields(row(ref), 'og', 'lg')
  if R('HEXISTS', row('m:' .. origin), 'k') == 1 then
    R('ZADD', P .. 'settled', int(NOW - SETTLED_KEPT + LATER), ref)
    return
  end
  R('ZREM', P .. 'owed:' .. origin, ref)
  R('ZREM', P .. 'carry:' .. carried, ref)
  R('ZREM', P .. 'timers:' .. origin, ref)
  R('ZREM', P .. 'settled', ref)
  R('DEL', row(ref))
  removed = removed + 1
end

local function drop_from(index, keys)
  return function(name)
    for _, key in ipairs(keys) do R('DEL', P .. key .. name) end
    R('ZREM', P .. index, name)
    removed = removed + 1
  end
end

local function drop_lease(name)
  R('HDEL', P .. 'fences', R('HGET', P .. 'lease:' .. name, 'counter') or '')
  R('DEL', P .. 'lease:' .. name)
  R('ZREM', P .. 'leases', name)
end

if not walk() then return { removed, 1, int(from) } end
local done = sweep('keys', NOW, sweep_claim)
done = sweep('settled', NOW - SETTLED_KEPT - 1, sweep_settled) and done
done = sweep('values', NOW, drop_from('values', { 'value:' })) and done
done = sweep('devices', NOW - DEVICE_KEPT - 1, drop_from('devices', { 'device:', 'refused:' })) and done
done = sweep('leases', NOW - LEASE_KEPT, drop_lease) and done
return { removed, done and 0 or 1, '0' }
