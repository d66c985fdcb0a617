-- Change an agent's record if it is still at the epoch that the decision was made from: all or nothing.
--
-- KEYS  1  state  hash: the agent's record
--       2  audit  stream: every change of the record, never trimmed; fields `event`, a JSON object, `seq` and `hash`
-- ARGV  1  epoch that the decision was made from; 0 means that there is no record
--       2  the audit event as a JSON object, not empty, without `at` and the fields of the chain
--       3  SHA-256 of that event's canonical text, in hex (gateway/store/audit_chain.py)
--       4  channel, 5  announcement to publish there
--       6  consumer group that delivers the events as notices
--       then the fields of the new record as field, value, without `changed_at`
-- Returns 1 or 0 (won or lost) and the record now.

local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])

if (redis.call('HGET', KEYS[1], 'epoch') or '0') ~= ARGV[1] then
  return {0, redis.call('HGETALL', KEYS[1])}
end

local refusal = refuse_unpermitted({
  {'XREVRANGE', KEYS[2], '+', '-'}, {'XADD', KEYS[2], '*', 'event', ''}, {'XGROUP', 'CREATE', KEYS[2], ARGV[6], '0'},
  {'DEL', KEYS[1]}, {'HSET', KEYS[1], 'changed_at', now},
})
if refusal then return refusal end

-- The id, number and hash of the latest event; an empty stream, or one from before the chain, begins it.
local function head()
  local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1] or {'0', {}}
  local found = {seq = 0, hash = string.rep('0', 40)}
  for index = 1, #last[2], 2 do found[last[2][index]] = last[2][index + 1] end
  return last[1], tonumber(found.seq), found.hash
end

local function append()
  local before, number, prev = head()
  local seq = string.format('%d', number + 1)
  local hash = redis.sha1hex(table.concat({prev, seq, now, ARGV[3]}, ' '))
  local link = '{"seq":' .. seq .. ',"at":' .. now .. ',"prev":"' .. prev .. '","hash":"' .. hash .. '",'
  redis.call('XADD', KEYS[2], '*', 'event', link .. string.sub(ARGV[2], 2), 'seq', seq, 'hash', hash)
  -- The group begins with the first event that this script writes; nearly always it is there.
  local group = redis.pcall('XGROUP', 'CREATE', KEYS[2], ARGV[6], before)
  if group.err and not string.find(group.err, 'BUSYGROUP') then error(group.err) end
end

append()
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'changed_at', now, unpack(ARGV, 7))
-- A hint only, so a user without the permission for channels does not stop the change.
redis.pcall('PUBLISH', ARGV[4], ARGV[5])
return {1, redis.call('HGETALL', KEYS[1])}
