-- Commands of operators that were obeyed: each id is obeyed once, and stands for one command for ever.
CREATE TABLE ledger.ops_commands (
    source text COLLATE "C" NOT NULL,
    command_id text COLLATE "C" NOT NULL,
    content_hash bytea NOT NULL,
    obeyed_at timestamptz NOT NULL,
    PRIMARY KEY (source, command_id)
);
