-- What was refused, for those who watch over the system.
CREATE OR REPLACE VIEW gatekeeper.rejections_v1 AS
SELECT id, account_id, kind, ref_id, action, code, required_micros, available_micros, rejected_at
FROM gatekeeper.rejections;
