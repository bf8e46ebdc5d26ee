--- Omi took a write: a probe is over, and so is any streak of calls that it did not take.
local function answered()
  redis.call('DEL', K.probing, K.failures, K.failed_uids, K.limited, K.limited_uids)
end
