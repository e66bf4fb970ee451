-- How far the log reaches behind a database's base backup, as the vault's own listing said at seen_at.
alter table recovery_point add column log_until timestamptz;
