-- name: lock_offset
SELECT microseconds FROM ledger.clock_offset FOR UPDATE

-- name: set_offset
UPDATE ledger.clock_offset SET microseconds = $1
