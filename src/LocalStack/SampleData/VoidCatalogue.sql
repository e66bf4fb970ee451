CREATE TABLE survey (id int PRIMARY KEY, name text NOT NULL UNIQUE, depth_mag real NOT NULL);
CREATE TABLE galaxy (id bigint PRIMARY KEY, survey_id int NOT NULL REFERENCES survey, ra_deg float8 NOT NULL, dec_deg float8 NOT NULL, redshift real NOT NULL, magnitude_r real);
CREATE TABLE cosmic_void (id bigint PRIMARY KEY, name text NOT NULL UNIQUE, ra_deg float8 NOT NULL, dec_deg float8 NOT NULL, redshift real NOT NULL, radius_mpc real NOT NULL, notes text);
CREATE TABLE void_member (void_id bigint NOT NULL REFERENCES cosmic_void, galaxy_id bigint NOT NULL REFERENCES galaxy, distance_mpc real NOT NULL);
CREATE TABLE spectrum (galaxy_id bigint PRIMARY KEY REFERENCES galaxy, wavelength_start real NOT NULL, flux bytea NOT NULL);
CREATE TABLE tile_statistic (tile int PRIMARY KEY, galaxies int NOT NULL, mean_redshift float8 NOT NULL) TABLESPACE void_archive;
CREATE UNLOGGED TABLE preview_cache (tile int PRIMARY KEY, thumbnail bytea NOT NULL);
-- Written to while backups run. The log has no gaps and each row proves itself; the budget always adds up to the same total.
CREATE TABLE observation_log (sequence_no bigint PRIMARY KEY, observed_at timestamptz NOT NULL, instrument text NOT NULL, digest text NOT NULL);
CREATE TABLE telescope_budget (account int PRIMARY KEY, minutes bigint NOT NULL);
INSERT INTO telescope_budget SELECT n, 10000 FROM generate_series(1, 100) AS n;
