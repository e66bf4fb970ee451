-- The RPO clock of each database whose log is received. Times are of the control plane's clock: an agent that cannot be asked changes nothing
-- here, and what it said grows older by itself.
create table rpo_clock (
    asset          text primary key references asset (name),
    restorable_at  timestamptz,
    heard_at       timestamptz not null,
    durable_lsn    text,
    server_lsn     text,
    slot_bytes     bigint,
    problem        text
);
