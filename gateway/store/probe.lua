-- Find out, with writes that leave nothing behind, whether the server lets this user do all that the other scripts do.
-- A script that is refused in its middle keeps what it wrote before; this one may be refused anywhere.
--
-- KEYS  1  string, 2  hash, 3  set, 4  stream: of the agent, for this purpose alone
-- ARGV  1  seconds after which what a refusal left behind is gone
-- Returns 1, or the server's error about the first command that it refuses, with the command's name.

local STRING, HASH, SET, STREAM, SECONDS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1]

local commands = {
  {'TIME'},
  {'SET', STRING, '1', 'EX', SECONDS}, {'GET', STRING},
  {'HSET', HASH, 'field', '1'}, {'EXPIRE', HASH, SECONDS},
  {'HSETNX', HASH, 'field', '1'}, {'HINCRBY', HASH, 'field', '1'}, {'HGET', HASH, 'field'}, {'HGETALL', HASH},
  {'HDEL', HASH, 'field'},
  {'SADD', SET, 'member'}, {'EXPIRE', SET, SECONDS}, {'SCARD', SET},
  {'XADD', STREAM, '*', 'field', '1'}, {'EXPIRE', STREAM, SECONDS}, {'XREVRANGE', STREAM, '+', '-', 'COUNT', '1'},
  {'XGROUP', 'CREATE', STREAM, 'probe', '0'}, -- an earlier probe may have been refused behind it
  {'DEL', STRING, HASH, SET, STREAM},
}

for _, command in ipairs(commands) do
  local reply = redis.pcall(unpack(command))
  if type(reply) == 'table' and reply.err and not string.find(reply.err, 'BUSYGROUP') then
    return redis.error_reply(string.gsub(reply.err, '^%-', '') .. ' (' .. command[1] .. ')')
  end
end
return 1
