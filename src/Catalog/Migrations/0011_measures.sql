-- 3-2-1-1-0 of an asset from a moment on: a row is added when something has changed.
create table protection_state (
    asset              text        not null references asset (name),
    at                 timestamptz not null,
    recovery_point_id  text references recovery_point (id),
    copies             integer     not null,
    media              integer     not null,
    offsite            integer     not null,
    immutable          integer     not null,
    errors             integer,
    restore_proven_at  timestamptz,
    missing            text[]      not null,
    primary key (asset, at)
);

create table capacity_sample (
    place        text        not null,
    kind         text        not null check (kind in ('vault', 'tier')),
    at           timestamptz not null,
    bytes_used   bigint      not null check (bytes_used >= 0),
    bytes_limit  bigint check (bytes_limit > 0),
    primary key (kind, place, at)
);
