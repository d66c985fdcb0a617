-- Change an agent's record if it is still at the epoch that the decision was made from: all or nothing.
--
-- KEYS  1  state  hash: the agent's record
--       2  audit  stream: every change of the record, field `event`, a JSON object
-- ARGV  1  epoch that the decision was made from; 0 means that there is no record
--       2  the audit event as a JSON object, not empty, without `at`
--       3  channel, 4  announcement to publish there
--       then the fields of the new record as field, value, without `changed_at`
-- Returns 1 or 0 (won or lost) and the record now.

local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])

if (redis.call('HGET', KEYS[1], 'epoch') or '0') ~= ARGV[1] then
  return {0, redis.call('HGETALL', KEYS[1])}
end

redis.call('XADD', KEYS[2], '*', 'event', '{"at":' .. now .. ',' .. string.sub(ARGV[2], 2))
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'changed_at', now, unpack(ARGV, 5))
-- A hint only, so a user without the permission for channels does not stop the change.
redis.pcall('PUBLISH', ARGV[3], ARGV[4])
return {1, redis.call('HGETALL', KEYS[1])}
