-- Operation 8, read: rows of a log or an inbox after a cursor. Changes nothing.
local home, conversation, after, limit = ARGV[3], opt(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local asked, incarnation, most_bytes, registered = opt(ARGV[7]), ARGV[8], tonumber(ARGV[9]), ARGV[10]
local STEP = 100
local home_key = P .. 'home:' .. home
local top, oldest, epoch
if conversation then
  local whose = owner_of(conversation, home, registered)
  if whose == 'other' then return { 'forbidden' } end
  if whose == 'ask' then return { 'ask' } end
  top, oldest = fields(P .. 'conv:' .. conversation, 'top', 'oldest')
else
  top, oldest, epoch = fields(home_key, 'top', 'oldest', 'epoch')
end
top = tonumber(top or '0')
oldest = tonumber(oldest or '1')
local is_epoch = epoch and asked == incarnation .. '.' .. epoch
if asked and asked ~= incarnation and not is_epoch then return { 'reset', oldest, top } end
-- SEMANTICS 12: never an empty answer to a cursor that cannot be right.
if after > top then return { 'reset', oldest, top } end

local rows, bytes = {}, 0
-- Stops before the answer is too large for one message; at least one row, whatever its size: else a reader would stand still.
local function add(sequence, offset, body, note)
  if not body then return true end
  bytes = bytes + #body
  if #rows > 0 and bytes > most_bytes then return false end
  rows[#rows + 1] = { sequence, body, note, offset }
  return true
end

local function log_rows(from)
  while from < top and #rows < limit do
    local upto = math.min(top, from + math.min(STEP, limit - #rows))
    local found = R('XRANGE', P .. 'log:' .. conversation, int(from + 1), int(upto))
    local at = 1
    for sequence = from + 1, upto do
      local one = found[at]
      if one and one[1] == int(sequence) .. '-0' then
        at = at + 1
        local fitted = add(int(sequence), R('HGET', row('m:' .. one[2][2]), 'o'), one[2][4], one[2][6])
        if not fitted then return end
      elseif not add(int(sequence), false, R('HGET', P .. 'gone:' .. conversation, int(sequence)), '0') then
        return
      end
    end
    from = upto
  end
end

local function inbox_rows(from)
  while from < top and #rows < limit do
    local found = R('XRANGE', P .. 'inbox:' .. home, int(from + 1), '+', 'COUNT', math.min(STEP, limit - #rows))
    if #found == 0 then return end
    for _, one in ipairs(found) do
      local offset = string.match(one[1], '^%d+')
      local body, note = entry(one[2][2], one[2][4])
      if not add(one[2][4], offset, body, note) then return end
      from = tonumber(offset)
    end
  end
end

local from = math.max(after, oldest - 1)
if conversation then log_rows(from) else inbox_rows(from) end
return { 'rows', rows, from, top, oldest, after + 1 < oldest and 1 or 0 }
