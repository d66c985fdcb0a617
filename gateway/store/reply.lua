-- Keep a person's reply to a conversation that was handed over, and tell every replica: the first one counts.
--
-- KEYS  1  reply    string: the reply to that call
--       2  replies  stream: the replies of the agent, for the replicas to follow
--       3  open     hash: conversation to the digest of the call that opened its handover, as in escalate.lua
-- ARGV  1  the reply as JSON, 2  seconds to keep it, 3  seconds to keep the stream, 4  its longest length, about
--       5  the conversation, 6  digest of the call's id
-- Returns 1 when this is the reply now, 0 when there was one before. From then on the conversation's next handover is a
-- new one.

if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[2]) then return 0 end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', 'reply', ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[3])
if redis.call('HGET', KEYS[3], ARGV[5]) == ARGV[6] then redis.call('HDEL', KEYS[3], ARGV[5]) end
return 1
