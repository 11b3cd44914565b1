-- A request for usage that was told after its subscription had stopped supplements the one of the last period:
-- 0 is the period's own request, 1, 2, … are the supplements.
ALTER TABLE subscriptions.payment_requests
    ADD COLUMN supplement integer NOT NULL DEFAULT 0,
    ADD CONSTRAINT only_usage_is_supplemented CHECK (supplement = 0 OR (supplement > 0 AND kind = 'usage'));
DROP INDEX subscriptions.a_period_asks_once;
CREATE UNIQUE INDEX a_period_asks_once
    ON subscriptions.payment_requests (subscription_id, period_number, kind, supplement) WHERE type = 'cycle';
