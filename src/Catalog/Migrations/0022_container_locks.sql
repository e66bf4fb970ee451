-- Locks can also be the container's: a retention that counts from each blob's creation, and a legal hold on all of them.
alter table replica_lock drop constraint replica_lock_kind_check;
alter table replica_lock add constraint replica_lock_kind_check check (kind in ('none', 'version', 'container', 'emulated'));

-- Those of storage that has none of its own (Azurite), heeded by this system's own removals only.
create table emulated_container_lock (
    container_uri  text    not null primary key,
    retention      interval not null,
    legal_hold     boolean not null
);
