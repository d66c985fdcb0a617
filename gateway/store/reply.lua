-- Keep a person's reply to a conversation that was handed over, and tell every replica: the first one counts.
--
-- KEYS  1  reply    string: the reply to that call
--       2  replies  stream: the replies of the agent, for the replicas to follow
-- ARGV  1  the reply as JSON, 2  seconds to keep it, 3  seconds to keep the stream, 4  its longest length, about
-- Returns 1 when this is the reply now, 0 when there was one before.

if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[2]) then return 0 end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', 'reply', ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[3])
return 1
