-- A check asks whether its number is suspended by hand. Few are, of thousands that an account may have.
CREATE INDEX suspended_numbers ON ledger.numbers (account_id) WHERE suspended_by_hand;
