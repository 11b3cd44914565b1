-- Whether a client's campaigns rest: what was last said of them, so that each change is said once.
ALTER TABLE ledger.accounts ADD COLUMN campaigns_paused boolean NOT NULL DEFAULT false;
