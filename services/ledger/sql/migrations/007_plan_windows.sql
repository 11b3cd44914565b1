-- When which plan ran: usage is counted by the plan that ran as it ended, however late it is told. `counts_from` is
-- the beginning of the second in which the subscription started, since platforms tell whole seconds. `late_ms` is
-- what was billable of usage that was told after the stop, and is not asked for yet. `opened_after` is the newest
-- transfer id there was at the opening: what the account has posted with a greater one was posted knowing of the plan.
CREATE TABLE ledger.plan_windows (
    subscription_id text PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL REFERENCES ledger.accounts,
    counts_from timestamptz NOT NULL,
    stopped_at timestamptz,
    chat_ms bigint,
    late_ms bigint NOT NULL DEFAULT 0,
    opened_after bigint NOT NULL,
    CONSTRAINT it_stops_after_it_starts CHECK (counts_from <= stopped_at),
    CONSTRAINT late_is_not_negative CHECK (late_ms >= 0),
    CONSTRAINT only_a_stopped_plan_has_late_usage CHECK (late_ms = 0 OR stopped_at IS NOT NULL)
);
CREATE UNIQUE INDEX an_account_runs_one_plan ON ledger.plan_windows (account_id) WHERE stopped_at IS NULL;
CREATE INDEX plan_windows_by_account ON ledger.plan_windows (account_id, counts_from);
CREATE INDEX plan_windows_with_late_usage ON ledger.plan_windows (subscription_id) WHERE late_ms > 0;

-- `late_ms` is the sum over the account's windows; `wallet_used_ms` what has come out of the minute wallet since the
-- open period began, or since the last one ended.
ALTER TABLE ledger.pools
    ADD COLUMN counts_from timestamptz,
    ADD COLUMN late_ms bigint NOT NULL DEFAULT 0,
    ADD COLUMN wallet_used_ms bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT nothing_told_late_is_negative CHECK (late_ms >= 0 AND wallet_used_ms >= 0);
ALTER TABLE ledger.pool_transfers
    DROP CONSTRAINT pool_is_known,
    ADD CONSTRAINT pool_is_known CHECK (pool IN ('included', 'wallet', 'billable', 'late'));

-- Plans that run already have run since their first minutes at the latest.
UPDATE ledger.pools SET counts_from = date_trunc('second', least(period_start, (
    SELECT min(created_at) FROM ledger.pool_transfers AS granted
    WHERE granted.account_id = pools.account_id AND granted.origin LIKE 'included:' || pools.subscription_id || ':%')))
WHERE subscription_id IS NOT NULL;
INSERT INTO ledger.plan_windows (subscription_id, account_id, counts_from, chat_ms, opened_after)
SELECT subscription_id, account_id, counts_from, chat_ms, (SELECT last_value FROM ledger.transfers_id_seq)
FROM ledger.pools WHERE subscription_id IS NOT NULL;
