-- Looks are listed newest first.
create index verification_newest on verification (at desc, id desc);
