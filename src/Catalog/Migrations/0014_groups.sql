-- A recovery point of a whole group: a point of each member, made together. It is given up as a whole when the first of its members is.
create table group_point (
    id            text primary key,
    group_name    text        not null,
    requested_by  text        not null,
    recorded_at   timestamptz not null,
    is_held       boolean     not null,
    oldest        timestamptz not null,
    newest        timestamptz not null,
    expired_at    timestamptz,
    constraint group_point_moments check (oldest <= newest)
);

create index group_point_newest on group_point (newest desc, id desc);

create table group_point_member (
    group_point_id     text    not null references group_point (id),
    ordinal            integer not null,
    asset              text    not null references asset (name),
    recovery_point_id  text    not null unique references recovery_point (id),
    primary key (group_point_id, ordinal),
    unique (group_point_id, asset)
);

create index group_point_member_of_asset on group_point_member (asset);
