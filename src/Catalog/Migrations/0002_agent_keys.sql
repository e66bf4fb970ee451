-- Invitations of agents. Of the code only a hash is kept: whoever reads the catalog cannot enrol.
create table agent_enrolment (
    id             text primary key,
    agent          text        not null,
    secret_sha256  text        not null,
    issued_at      timestamptz not null,
    expires_at     timestamptz not null,
    used_at        timestamptz,
    used_by_key    text,
    constraint agent_enrolment_used check ((used_at is null) = (used_by_key is null))
);

-- The keys agents are known by. A revoked key stays, so that it never comes back.
create table agent_key (
    agent         text        not null,
    key_id        text        not null,
    identity      text        not null,
    state         text        not null check (state in ('current', 'previous', 'revoked')),
    pinned_at     timestamptz not null,
    accept_until  timestamptz,
    primary key (agent, key_id),
    constraint agent_key_overlap check ((state = 'previous') = (accept_until is not null))
);

create unique index agent_key_current on agent_key (agent) where state = 'current';

-- Which control plane keys an agent has confirmed to trust.
create table agent_trust (
    agent         text        not null,
    key_id        text        not null,
    confirmed_at  timestamptz not null,
    primary key (agent, key_id)
);
