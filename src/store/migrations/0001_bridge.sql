-- Times are milliseconds since the epoch. Every statement runs unchanged on SQLite and PostgreSQL.

CREATE TABLE deployments (
  id              TEXT   NOT NULL PRIMARY KEY,
  name            TEXT   NOT NULL,
  status          TEXT   NOT NULL CHECK (status IN ('pending', 'running', 'completed', 'failed')),
  parameters      TEXT   NOT NULL,
  workload        TEXT,
  idempotency_key TEXT   UNIQUE,
  request_digest  TEXT   NOT NULL,
  last_run_id     TEXT,
  last_rollout_id TEXT,
  created_at      BIGINT NOT NULL,
  updated_at      BIGINT NOT NULL
);
CREATE INDEX deployments_by_age ON deployments (created_at, id);

CREATE TABLE cicd_jobs (
  id           TEXT   NOT NULL PRIMARY KEY,
  provider     TEXT   NOT NULL,
  provider_job TEXT   NOT NULL,
  status       TEXT   NOT NULL,
  build_number BIGINT,
  status_at    BIGINT,
  floor_build  BIGINT NOT NULL,
  created_at   BIGINT NOT NULL,
  updated_at   BIGINT NOT NULL
);

CREATE TABLE deployment_cicd_mappings (
  deployment_id TEXT   NOT NULL PRIMARY KEY REFERENCES deployments (id) ON DELETE CASCADE,
  cicd_job_id   TEXT   NOT NULL UNIQUE REFERENCES cicd_jobs (id) ON DELETE CASCADE,
  created_at    BIGINT NOT NULL
);

CREATE TABLE deployment_runs (
  id              TEXT   NOT NULL PRIMARY KEY,
  deployment_id   TEXT   NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
  idempotency_key TEXT,
  state           TEXT   NOT NULL CHECK (state IN ('triggering', 'queued', 'started', 'failed', 'superseded')),
  floor_build     BIGINT NOT NULL,
  queue_item      BIGINT,
  build_number    BIGINT,
  error_code      TEXT,
  error           TEXT,
  lease_owner     TEXT,
  lease_until     BIGINT NOT NULL,
  created_at      BIGINT NOT NULL,
  updated_at      BIGINT NOT NULL,
  UNIQUE (deployment_id, idempotency_key)
);
CREATE UNIQUE INDEX deployment_runs_one_active ON deployment_runs (deployment_id)
  WHERE state IN ('triggering', 'queued');
CREATE INDEX deployment_runs_active ON deployment_runs (lease_until) WHERE state IN ('triggering', 'queued');

CREATE TABLE deployment_rollouts (
  id            TEXT   NOT NULL PRIMARY KEY,
  deployment_id TEXT   NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
  build_number  BIGINT NOT NULL,
  state         TEXT   NOT NULL CHECK (state IN ('due', 'running', 'converged', 'failed', 'superseded')),
  outcome       TEXT,
  message       TEXT,
  lease_owner   TEXT,
  lease_until   BIGINT NOT NULL,
  created_at    BIGINT NOT NULL,
  updated_at    BIGINT NOT NULL,
  UNIQUE (deployment_id, build_number)
);
CREATE INDEX deployment_rollouts_open ON deployment_rollouts (created_at) WHERE state IN ('due', 'running');

CREATE TABLE deployment_transitions (
  id            BIGINT NOT NULL PRIMARY KEY,
  deployment_id TEXT   NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
  kind          TEXT   NOT NULL,
  from_status   TEXT,
  to_status     TEXT   NOT NULL,
  ci_status     TEXT,
  build_number  BIGINT,
  applied       BIGINT NOT NULL,
  detail        TEXT,
  at            BIGINT NOT NULL
);
CREATE INDEX deployment_transitions_by_deployment ON deployment_transitions (deployment_id, id);

CREATE TABLE bridge_events (
  seq           BIGINT NOT NULL PRIMARY KEY,
  id            TEXT   NOT NULL UNIQUE,
  name          TEXT   NOT NULL,
  deployment_id TEXT   NOT NULL,
  payload       TEXT   NOT NULL,
  created_at    BIGINT NOT NULL,
  published_at  BIGINT
);
CREATE INDEX bridge_events_unpublished ON bridge_events (seq) WHERE published_at IS NULL;
CREATE INDEX bridge_events_by_age ON bridge_events (created_at);

CREATE TABLE webhook_receipts (
  digest      TEXT   NOT NULL PRIMARY KEY,
  received_at BIGINT NOT NULL,
  expires_at  BIGINT NOT NULL
);
CREATE INDEX webhook_receipts_by_expiry ON webhook_receipts (expires_at);

-- Numbers of transitions and events. Whoever takes some holds the row until the end of the transaction, so that a reader
-- who has seen number n will never see a smaller one appear.
CREATE TABLE bridge_sequences (
  name  TEXT   NOT NULL PRIMARY KEY,
  value BIGINT NOT NULL
);
INSERT INTO bridge_sequences (name, value) VALUES ('transitions', 0), ('events', 0);
