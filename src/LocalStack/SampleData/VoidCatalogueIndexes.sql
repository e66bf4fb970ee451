CREATE INDEX galaxy_position ON galaxy (ra_deg, dec_deg);
CREATE INDEX galaxy_redshift ON galaxy (redshift);
CREATE INDEX void_by_radius ON cosmic_void (radius_mpc DESC) INCLUDE (redshift);
ALTER TABLE void_member ADD PRIMARY KEY (void_id, galaxy_id);
CREATE INDEX void_member_galaxy ON void_member (galaxy_id);
INSERT INTO tile_statistic SELECT (ra_deg * 10)::int, count(*), avg(redshift) FROM galaxy GROUP BY 1;
INSERT INTO preview_cache SELECT n, decode(md5(n::text), 'hex') FROM generate_series(1, 5000) AS n;
ANALYZE;
CHECKPOINT;
