--- Replay one dead letter.
-- @args id now_ms event blind
-- @returns how many messages wait again; 0 when there is no such dead letter
-- @repeat it is no dead letter any more
-- @include unpark
return unpark(id, now_ms, event, blind)
