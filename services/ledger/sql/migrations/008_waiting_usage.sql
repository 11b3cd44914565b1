-- Usage that waits is looked for every second and at every scrape; it is rare, so posting never touches this index.
CREATE INDEX usage_that_waits ON ledger.usage_events (received_at) WHERE state = 'waiting';
