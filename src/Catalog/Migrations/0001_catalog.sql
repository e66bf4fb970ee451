-- Names and ids are text: they come from the policy, the vault and the orchestrations, and the catalog invents none of them.
create table asset (
    name           text primary key,
    kind           text        not null,
    agent          text        not null,
    vault          text        not null,
    service_class  text        not null,
    data_class     text        not null,
    in_policy      boolean     not null,
    first_seen_at  timestamptz not null,
    changed_at     timestamptz not null
);

create table run (
    id                  text primary key,
    asset               text        not null references asset (name),
    agent               text        not null,
    vault               text        not null,
    requested_by        text        not null,
    state               text        not null check (state in ('queued', 'running', 'succeeded', 'partial', 'failed', 'cancelled')),
    opened_at           timestamptz not null,
    ordered_at          timestamptz,
    ended_at            timestamptz,
    reason_code         text,
    reason              text,
    hint                text,
    recovery_point_id   text,
    rebuilt             boolean     not null default false,
    -- What the recovery-point rule rests on, whatever code does: no outcome that promises a restore without a point, and no
    -- failed run with one.
    constraint run_promise check (state not in ('succeeded', 'partial') or recovery_point_id is not null),
    constraint run_no_false_point check (state not in ('queued', 'failed', 'cancelled') or recovery_point_id is null),
    constraint run_ended check ((state in ('queued', 'running')) = (ended_at is null)),
    constraint run_reason check (state not in ('failed', 'cancelled', 'partial') or reason is not null)
);

-- One open run per asset: two orders for the same asset at once would read it twice for one recovery point.
create unique index run_open_per_asset on run (asset) where state in ('queued', 'running');
create index run_newest on run (opened_at desc, id desc);
create index run_newest_of_asset on run (asset, opened_at desc, id desc);

create table recovery_point (
    id                      text primary key,
    asset                   text        not null references asset (name),
    run_id                  text        not null unique references run (id),
    agent                   text        not null,
    vault                   text        not null,
    vault_id                text        not null,
    snapshot_id             text        not null,
    kind                    text        not null,
    instant                 timestamptz not null,
    reading_began_at        timestamptz not null,
    is_partial              boolean     not null,
    bytes_read              bigint      not null check (bytes_read >= 0),
    bytes_new               bigint      not null check (bytes_new >= 0),
    bytes_stored            bigint      not null check (bytes_stored >= 0),
    files_total             bigint      not null check (files_total >= 0),
    files_unreadable_total  bigint      not null check (files_unreadable_total >= 0),
    files_unreadable        jsonb       not null,
    consistency_point       jsonb,
    published_at            timestamptz not null,
    seen_at                 timestamptz not null,
    missing_since           timestamptz,
    unique (vault_id, snapshot_id)
);

alter table run add constraint run_recovery_point foreign key (recovery_point_id) references recovery_point (id) deferrable initially deferred;
create index recovery_point_newest on recovery_point (instant desc, id desc);
create index recovery_point_newest_of_asset on recovery_point (asset, instant desc, id desc);

create table replica (
    recovery_point_id  text        not null references recovery_point (id),
    tier               text        not null,
    container_uri      text        not null,
    access_tier        text        not null,
    state              text        not null check (state in ('failed', 'copied', 'checked', 'damaged')),
    manifest_name      text,
    manifest_sha256    text,
    objects_total      bigint,
    objects_copied     bigint,
    bytes_total        bigint,
    bytes_copied       bigint,
    reason_code        text,
    reason             text,
    changed_at         timestamptz not null,
    checked_at         timestamptz,
    primary key (recovery_point_id, tier),
    constraint replica_manifest check (state = 'failed' or (manifest_name is not null and manifest_sha256 is not null)),
    constraint replica_checked check (state not in ('checked', 'damaged') or checked_at is not null)
);

create table verification (
    id                 text primary key,
    recovery_point_id  text        not null,
    tier               text        not null,
    at                 timestamptz not null,
    is_sound           boolean     not null,
    objects_listed     bigint      not null,
    objects_hashed     bigint      not null,
    bytes_hashed       bigint      not null,
    finding            text        not null,
    foreign key (recovery_point_id, tier) references replica (recovery_point_id, tier)
);

create table restore (
    id                 text primary key,
    asset              text        not null references asset (name),
    recovery_point_id  text        not null references recovery_point (id),
    agent              text        not null,
    tier               text,
    target             text        not null,
    include            jsonb       not null,
    overwrite          boolean     not null,
    requested_by       text        not null,
    state              text        not null check (state in ('queued', 'running', 'succeeded', 'partial', 'failed', 'cancelled')),
    opened_at          timestamptz not null,
    ordered_at         timestamptz,
    ended_at           timestamptz,
    reason_code        text,
    reason             text,
    hint               text,
    files_restored     bigint,
    bytes_restored     bigint,
    bytes_written      bigint,
    bytes_verified     bigint,
    constraint restore_ended check ((state in ('queued', 'running')) = (ended_at is null)),
    constraint restore_result check (state <> 'succeeded' or files_restored is not null)
);

create index restore_newest on restore (opened_at desc, id desc);

create table audit (
    sequence       bigint primary key,
    at             timestamptz not null,
    actor          text        not null,
    action         text        not null,
    subject        text        not null,
    detail         text        not null,
    previous_hash  bytea       not null,
    hash           bytea       not null
);
