-- Ids that callers sent as JSON integers. Inside, every id is a text, and 5 and "5" are one; outside it is shown as it
-- was sent (contract §0, Ids). An account's own id stands here under itself.
CREATE TABLE ledger.integer_ids (
    account_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    PRIMARY KEY (account_id, id)
);
