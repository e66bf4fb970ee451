-- What the verification of each vault by its agent found: what was looked at, what was damaged, what was mended.
create table vault_verification (
    id                   text primary key,
    agent                text        not null,
    vault                text        not null,
    vault_id             text        not null,
    at                   timestamptz not null,
    depth                text        not null check (depth in ('data', 'hashes')),
    is_sound             boolean     not null,
    objects_checked      bigint      not null,
    objects_read         bigint      not null,
    bytes_read           bigint      not null,
    oldest_verification  timestamptz,
    problems_total       bigint      not null,
    mended               bigint      not null,
    quarantined          bigint      not null,
    finding              text        not null
);

create index vault_verification_newest on vault_verification (at desc, id desc);
create index vault_verification_newest_of_vault on vault_verification (agent, vault, at desc);
