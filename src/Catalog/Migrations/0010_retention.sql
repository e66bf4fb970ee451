-- A point that retention has given up is marked before anything is deleted: from then on nobody is promised a restore of it.
alter table recovery_point
    add column expired_at  timestamptz,
    add column expired_by  text,
    add column removed_at  timestamptz,
    add constraint recovery_point_expired check ((expired_at is null) = (expired_by is null)),
    add constraint recovery_point_removed check (removed_at is null or expired_at is not null);

create index recovery_point_expired_by on recovery_point (expired_by) where expired_by is not null;

alter table replica drop constraint replica_state_check;
alter table replica add constraint replica_state_check check (state in ('failed', 'copied', 'checked', 'damaged', 'removed'));

create table retention_plan (
    id                text primary key,
    asset             text        not null references asset (name),
    decided_at        timestamptz not null,
    requested_by      text        not null,
    forced_reason     text,
    refusal           text        not null check (refusal in ('none', 'deletes-everything', 'deletes-too-much')),
    approvals_needed  integer     not null check (approvals_needed >= 0),
    points_kept       integer     not null,
    state             text        not null check (state in ('refused', 'awaiting-approval', 'ready', 'running', 'done', 'rejected', 'superseded')),
    changed_at        timestamptz not null,
    note              text,
    -- What only force may execute needs two persons, whatever code does.
    constraint retention_plan_force check (state in ('refused', 'rejected', 'superseded') or refusal = 'none' or (forced_reason is not null and approvals_needed >= 2))
);

create index retention_plan_newest on retention_plan (decided_at desc, id desc);

-- One plan of an asset is open at a time: a newer decision takes the place of the older.
create unique index retention_plan_open on retention_plan (asset) where state in ('refused', 'awaiting-approval', 'ready', 'running');

create table retention_plan_point (
    plan_id            text    not null references retention_plan (id),
    ordinal            integer not null,
    recovery_point_id  text    not null references recovery_point (id),
    spared             text,
    primary key (plan_id, ordinal),
    unique (plan_id, recovery_point_id)
);

create table retention_approval (
    plan_id        text        not null references retention_plan (id),
    administrator  text        not null,
    at             timestamptz not null,
    primary key (plan_id, administrator)
);

-- Objects of replicas that may go once deleting them costs no more than keeping them.
create table replica_removal (
    container_uri  text        not null,
    vault_id       text        not null,
    object_name    text        not null,
    tier           text        not null,
    bytes          bigint      not null,
    free_at        timestamptz not null,
    noted_at       timestamptz not null,
    removed_at     timestamptz,
    primary key (container_uri, vault_id, object_name)
);

-- One open alert per kind and subject; raising it again only moves seen_at.
create table alert (
    id         text primary key,
    kind       text        not null,
    subject    text        not null,
    text       text        not null,
    raised_at  timestamptz not null,
    seen_at    timestamptz not null,
    closed_at  timestamptz,
    closed_by  text,
    closed_reason text,
    constraint alert_closed check ((closed_at is null) = (closed_by is null))
);

create unique index alert_open on alert (kind, subject) where closed_at is null;
create index alert_newest on alert (raised_at desc, id desc);

-- What each run showed against the asset's own history, and whether that froze retention.
create table run_signal (
    run_id   text             not null references run (id),
    asset    text             not null references asset (name),
    kind     text             not null,
    value    double precision not null,
    usual    double precision not null,
    freezes  boolean          not null,
    at       timestamptz      not null,
    primary key (run_id, kind)
);

create index run_signal_newest_of_asset on run_signal (asset, at desc);

create table asset_freeze (
    id            text primary key,
    asset         text        not null references asset (name),
    run_id        text        not null references run (id),
    why           text        not null,
    frozen_at     timestamptz not null,
    lifted_at     timestamptz,
    lifted_by     text,
    lift_reason   text,
    constraint asset_freeze_lifted check ((lifted_at is null) = (lifted_by is null) and (lifted_at is null) = (lift_reason is null))
);

create unique index asset_freeze_open on asset_freeze (asset) where lifted_at is null;
