-- Everything lives in one schema per hub; the connection's search_path points at it.

-- Processes that run orchestrations. A row is a lease: whoever holds work under this id may write only while it owns it.
CREATE TABLE workers (
    worker_id    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    host         text NOT NULL,
    lease_until  timestamptz NOT NULL,
    renewed_at   timestamptz NOT NULL
);

CREATE TABLE instances (
    instance_id      text COLLATE "C" PRIMARY KEY,
    execution_id     uuid NOT NULL,
    name             text NOT NULL,
    version          text NOT NULL,
    status           smallint NOT NULL,
    input            text,
    output           text,
    custom_status    text,
    failure          text,
    tags             text,
    carried_events   text,
    parent_id        text COLLATE "C",
    parent_name      text,
    parent_execution uuid,
    parent_task      integer,
    start_at         timestamptz,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    completed_at     timestamptz
) WITH (fillfactor = 80);
CREATE INDEX instances_created ON instances (created_at, instance_id);
CREATE INDEX instances_completed ON instances (completed_at, instance_id) WHERE completed_at IS NOT NULL;
CREATE INDEX instances_parent ON instances (parent_id) WHERE parent_id IS NOT NULL;

-- One narrow row per unfinished instance: when it next has something to do, who works on it, and the fencing token.
CREATE TABLE dispatch (
    instance_id  text COLLATE "C" PRIMARY KEY,
    execution_id uuid NOT NULL,
    ready_at     timestamptz,
    owner        integer,
    fence        bigint NOT NULL,
    attempts     integer NOT NULL DEFAULT 0
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX dispatch_ready ON dispatch (ready_at) WHERE owner IS NULL AND ready_at IS NOT NULL;

CREATE TABLE history (
    instance_id  text COLLATE "C" NOT NULL,
    seq          integer NOT NULL,
    kind         smallint NOT NULL,
    event_id     integer NOT NULL,
    task_id      integer NOT NULL,
    at           timestamptz NOT NULL,
    name         text,
    version      text,
    data         text,
    failure      text,
    target       text,
    fire_at      timestamptz,
    PRIMARY KEY (instance_id, seq)
);

-- What an instance has yet to learn. A timer is a message that becomes visible when it fires.
CREATE TABLE inbox (
    message_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instance_id  text COLLATE "C" NOT NULL,
    execution_id uuid,
    kind         smallint NOT NULL,
    task_id      integer NOT NULL,
    visible_at   timestamptz NOT NULL,
    name         text,
    data         text,
    failure      text,
    recursive    boolean NOT NULL DEFAULT false
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX inbox_instance ON inbox (instance_id, visible_at);

CREATE TABLE activities (
    activity_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instance_id  text COLLATE "C" NOT NULL,
    execution_id uuid NOT NULL,
    task_id      integer NOT NULL,
    name         text NOT NULL,
    version      text NOT NULL,
    input        text,
    tags         text,
    enqueued_at  timestamptz NOT NULL,
    owner        integer,
    attempts     integer NOT NULL DEFAULT 0
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX activities_waiting ON activities (activity_id) WHERE owner IS NULL;

-- One row per timer function: what makes it fire once although several processes run it.
CREATE TABLE schedules (
    function_name text PRIMARY KEY,
    schedule      text NOT NULL,
    last_at       timestamptz,
    next_at       timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    claimed_by    uuid,
    claimed_until timestamptz
);
