-- A restore from an archive tier may be a whole group point's: one plan, one approval, one rehydration, several members.
alter table archive_restore add column group_point_id text references group_point (id);

create table archive_restore_member (
    restore_id        text    not null references archive_restore (id),
    ordinal           integer not null,
    member_restore_id text    not null unique, -- the restore itself, in the table restore once this one is started
    asset             text    not null references asset (name),
    recovery_point_id text    not null references recovery_point (id),
    container_uri     text    not null,
    vault_id          text    not null,
    primary key (restore_id, ordinal)
);

insert into archive_restore_member (restore_id, ordinal, member_restore_id, asset, recovery_point_id, container_uri, vault_id)
    select id, 0, id, asset, recovery_point_id, container_uri, vault_id from archive_restore;

alter table archive_restore drop column asset, drop column recovery_point_id, drop column container_uri, drop column vault_id;

-- The first member that reads the pack: whose place it lies in.
alter table archive_restore_pack add column member integer not null default 0;
