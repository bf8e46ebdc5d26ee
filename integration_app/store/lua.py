"""Functions of Lua that more than one script needs. A script is put together from them and its own lines."""

COUNT = """
local function count(counters, slot, name)
  redis.call('HINCRBY', counters, name, 1)
  redis.call('HINCRBY', slot, name, 1)
  redis.call('EXPIRE', slot, 90000)
end
"""
"""For ever, and in its five minutes of the last day."""
