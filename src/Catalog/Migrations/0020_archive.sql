-- A restore from an archive tier, from its plan to its end. What it restores is in the table restore, under the same id.
create table archive_restore (
    id                text primary key,
    asset             text        not null references asset (name),
    recovery_point_id text        not null references recovery_point (id),
    tier              text        not null,
    container_uri     text        not null,
    vault_id          text        not null,
    request           jsonb       not null,
    requested_by      text        not null,
    state             text        not null check (state in ('surveying', 'planned', 'running', 'cancelling', 'succeeded', 'partial', 'failed', 'cancelled')),
    created_at        timestamptz not null,
    changed_at        timestamptz not null,
    planned_at        timestamptz,
    plan              jsonb,
    priority          text check (priority in ('standard', 'high')),
    packs_ready       integer     not null default 0,
    packs_requested   integer     not null default 0,
    files_restored    bigint      not null default 0,
    note              text,
    ended_at          timestamptz,
    copies_kept_until timestamptz,
    copies_removed_at timestamptz,
    constraint archive_restore_planned check (state in ('surveying', 'failed', 'cancelled') or plan is not null),
    -- Nothing is paid for that nobody has been shown: what runs has a plan and a priority.
    constraint archive_restore_paid check (state not in ('running', 'cancelling', 'succeeded', 'partial') or priority is not null)
);

create index archive_restore_newest on archive_restore (created_at desc, id desc);

create table archive_restore_pack (
    restore_id  text    not null references archive_restore (id),
    ordinal     integer not null,
    name        text    not null,
    bytes       bigint  not null,
    primary key (restore_id, ordinal)
);

create table archive_restore_approval (
    restore_id     text        not null references archive_restore (id),
    administrator  text        not null,
    at             timestamptz not null,
    primary key (restore_id, administrator)
);
