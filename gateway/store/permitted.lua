-- Whether this user may run what the script behind this part will: one that is refused in its middle keeps what it wrote.
-- Servers before Redis 7 do not tell; there the probe before an agent's first write has to do.

local function refuse_unpermitted(commands)
  if not redis.acl_check_cmd then return end
  for _, command in ipairs(commands) do
    if not redis.acl_check_cmd(unpack(command)) then
      return redis.error_reply('NOPERM this user has no permission for a command that is needed (' .. command[1] .. ')')
    end
  end
end

