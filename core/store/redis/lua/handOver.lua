-- Operation 5, handOver: a waiter and a push never both answer (SEMANTICS 5).
local id, by, to = ARGV[3], ARGV[4], ARGV[5]
local HANDED_MS = 10000
local sequence, open = fields(row('m:' .. id), 's', 'st')
if not sequence then return 'ok' end -- a request: it is in no log and nothing is pushed
if open then return 'other' end
local pushes = pushes_of(id)
for _, push in ipairs(pushes) do
  if is_begun(push) then return 'pushed' end
end
-- Not reported in time is in doubt, and no longer anybody's to take: the push's lane decides it (SEMANTICS 6).
for _, push in ipairs(pushes) do
  if push.state == HANDED and push.holder ~= by then return 'other' end
  if push.state == WAITING and to == 'flushed' then return 'other' end
end
-- An answer that was appended before it has not gone out yet.
local function is_behind(push)
  local head = R('ZRANGE', lane_key('push', R('HGET', row(push.ref), 'ln')), 0, 0)[1]
  for _, own in ipairs(pushes) do
    if own.ref == head then return false end
  end
  return true
end
local behind = false
for _, push in ipairs(pushes) do
  if to == 'taken' and push.state == WAITING then behind = behind or is_behind(push) end
end
draining()
keep_time()
for _, push in ipairs(pushes) do
  if behind and push.state == WAITING then
    change_work(push.ref, WAITING, NOW)
  elseif to == 'taken' and push.state == WAITING then
    R('HSET', row(push.ref), 'holder', by)
    change_work(push.ref, HANDED, NOW + HANDED_MS)
  elseif to == 'flushed' and push.state == HANDED then
    R('HSET', row(push.ref), 'flushed', '1')
    end_work(push.ref, { outcome = 'answered' })
  elseif to == 'back' and push.state == HANDED then
    R('HDEL', row(push.ref), 'holder')
    change_work(push.ref, WAITING, NOW)
  end
end
return behind and 'pushed' or 'ok'
