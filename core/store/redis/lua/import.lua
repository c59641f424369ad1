-- Rows of a migration: each a list of commands, carried out together unless the row is there already, so that the same batch may come twice.
-- A row: KEY FIELD COUNT, then COUNT times NAME KEY COUNT ARGUMENT…; LANE in place of a command puts an open row into its lane.
local at = 3
local function word()
  at = at + 1
  return ARGV[at - 1]
end

local function enter(ref)
  local kind = kind_of(ref)
  local state, lane, priority, fence, number = fields(row(ref), 'st', 'ln', 'pr', 'fe', 'n')
  R('ZADD', P .. 'open', number, ref)
  R('ZADD', lane_key(kind, lane), number, ref)
  if state == IN_FLIGHT then R('ZADD', P .. 'flying:' .. kind, fence, ref) end
  count('open:' .. kind, 1)
  local standing = state_of(kind, lane)
  local of = level(priority) + 1
  standing[of] = standing[of] + 1
  place(kind, lane, standing)
end

local done = 0
while at <= #ARGV do
  local key, field, commands = word(), word(), tonumber(word())
  local is_there = key ~= '' and (field == '' and R('EXISTS', P .. key) or R('HEXISTS', P .. key, field)) == 1
  for _ = 1, commands do
    local name, target, size = word(), word(), tonumber(word())
    if is_there then
      at = at + size
    elseif name == 'LANE' then
      enter(target)
    else
      R(name, P .. target, unpack(ARGV, at, at + size - 1))
      at = at + size
    end
  end
  if not is_there then done = done + 1 end
end
return done
