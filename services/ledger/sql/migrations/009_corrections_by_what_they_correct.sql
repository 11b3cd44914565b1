-- A refund asks what corrections gave back already. They are few: the index costs those alone.
CREATE INDEX corrections_by_reference ON ledger.transfers (account_id, reference_id) WHERE reason = 'usage_adjusted';
