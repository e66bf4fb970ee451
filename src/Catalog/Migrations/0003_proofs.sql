-- A restore may prove what it brought back: the agent's record, and of it what decisions are made by. A drill's restore is removed again.
alter table restore
    add column is_drill          boolean not null default false,
    add column proof             jsonb,
    add column is_proven         boolean,
    add column accepted_at       timestamptz,
    add column consistent_at     timestamptz,
    add column checked_at        timestamptz,
    add constraint restore_proof check ((proof is null) = (is_proven is null) and (proof is null) = (checked_at is null) and (proof is null) = (accepted_at is null));

create index restore_drills on restore (opened_at desc, id desc) where is_drill;
