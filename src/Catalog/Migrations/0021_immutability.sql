-- Since when, and until when, everything that this point needs in this replica is locked.
alter table replica add column locked_until timestamptz;

-- How far the locks of a vault's copy reached when they were last looked at.
create table replica_lock (
    container_uri  text        not null,
    vault_id       text        not null,
    tier           text        not null,
    kind           text        not null check (kind in ('none', 'version', 'emulated')),
    at             timestamptz not null,
    objects        integer     not null,
    covered        integer     not null,
    held           integer     not null,
    earliest_end   timestamptz,
    note           text        not null,
    primary key (container_uri, vault_id)
);

-- Locks of storage that has none of its own (Azurite): kept here, and heeded by this system's own removals only.
create table emulated_lock (
    container_uri  text    not null,
    vault_id       text    not null,
    object_name    text    not null,
    until          timestamptz,
    legal_hold     boolean not null,
    primary key (container_uri, vault_id, object_name)
);
