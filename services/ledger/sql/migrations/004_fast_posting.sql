-- News is read by account and thrown away; nothing looks for one by its id.
ALTER TABLE ledger.news DROP CONSTRAINT news_pkey;

-- Rows of these live for moments, or change with every batch: dead ones are cleared away by their number, not by the
-- table's size, and without pauses, else indexes grow between two rounds and each batch takes longer than the last.
ALTER TABLE ledger.news SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE ledger.outbox SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE ledger.accounts SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

-- What is written once and read whole stays the text it came as. Taking it apart into jsonb was a third of what posting
-- an event cost, and put together again for the balance news.
ALTER TABLE ledger.transfers ALTER COLUMN metadata TYPE json;
ALTER TABLE ledger.usage_events ALTER COLUMN data TYPE json;
ALTER TABLE ledger.events ALTER COLUMN data TYPE json;
