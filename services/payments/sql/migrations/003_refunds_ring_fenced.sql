-- A refund to the card takes the money out of the wallet before the provider is asked. `origin`: what names its debit
-- in the books; null for debits made before this.
ALTER TABLE payments.refunds ADD COLUMN origin text;
