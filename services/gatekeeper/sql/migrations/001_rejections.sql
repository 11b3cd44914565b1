-- The gate's own and only memory: what it refused. Money is the ledger's.
CREATE SCHEMA gatekeeper;

CREATE TABLE gatekeeper.rejections (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    ref_id text COLLATE "C" NOT NULL,
    action text NOT NULL,
    code text NOT NULL,
    required_micros bigint NOT NULL,
    available_micros bigint NOT NULL,
    rejected_at timestamptz NOT NULL,
    CONSTRAINT kind_is_known CHECK (kind IN ('call', 'sms', 'chat', 'campaign')),
    CONSTRAINT action_is_known CHECK (action IN ('check', 'extend'))
);
CREATE INDEX rejections_by_check ON gatekeeper.rejections (account_id, kind, ref_id, id DESC);
CREATE INDEX rejections_by_age ON gatekeeper.rejections USING brin (rejected_at);
