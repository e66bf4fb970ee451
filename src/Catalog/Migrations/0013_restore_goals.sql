-- A restore of a database may recover it along its log from the point on, up to a moment or to its end ('latest'); or bring its dump back instead.
alter table restore
    add column recover_to        text,
    add column is_dump           boolean not null default false,
    add constraint restore_goal check (recover_to is null or not is_dump);
