-- An agent's record with the clock that its times are to be read against.
--
-- KEYS  1  state  hash: the agent's record
-- Returns the clock and the record.

local time = redis.call('TIME')
return {time[1] .. '.' .. string.format('%06d', time[2]), redis.call('HGETALL', KEYS[1])}
