-- When each tick was last published: all the scheduler remembers.
CREATE SCHEMA scheduler;
CREATE TABLE scheduler.ticks (
    name text PRIMARY KEY,
    last_due_at timestamptz NOT NULL,
    published_at timestamptz NOT NULL
);
