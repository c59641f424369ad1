-- What waits in a store that was moved away may have been done since: a page of what is open gets, at each message and push that waits, an
-- attempt that nobody saw end. Halted writes (they have a dead letter), released calls and timers are left as they are.
-- `told`: the attempt's text behind its number; `known`: how a text ends that was noted here before. { looked at, waiting }; nothing
-- where another mark than `mark`, or none, stands: somebody else has the store, and may work in it already.
local from, most, told, known, mark = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5], ARGV[6], ARGV[7]
if HELD ~= mark then return {} end
local refs = R('ZRANGE', P .. 'open', int(from), int(from + most - 1))
draining()

local function may_be_begun(ref)
  local kind = kind_of(ref)
  if kind == 'message' then return R('EXISTS', P .. 'dead:' .. id_of(ref)) == 0 end
  return kind == 'push'
end

local waiting = 0
for _, ref in ipairs(refs) do
  local state, attempt, attempts = fields(row(ref), 'st', 'a', 'tr')
  if state == WAITING and may_be_begun(ref) then
    waiting = waiting + 1
    if string.sub(attempts or '', -#known) ~= known then
      local number = int(tonumber(attempt) + 1)
      local noted = with_attempt(attempts, '{"attempt":' .. number .. ',' .. told)
      R('HSET', row(ref), 'a', number, 'be', int(WALL), 'tr', noted)
    end
  end
end
return { #refs, waiting }
