--- Count one event.
-- @keys rates
-- @args name
-- @returns nothing
-- @repeat a second run counts twice: counters are figures for people
-- @include count
count(rates, name)
