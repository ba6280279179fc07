package main

// The function of the trigger for each row. It records as this library does:
// what differs of an update, all columns of the others.
const rowTrigger = `
CREATE FUNCTION audit_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	o jsonb;
	n jsonb;
	c jsonb;
BEGIN
	IF TG_OP = 'UPDATE' THEN
		o := to_jsonb(OLD);
		n := to_jsonb(NEW);
		SELECT jsonb_object_agg(e.key, jsonb_build_object('old', o -> e.key, 'new', e.value)) INTO c
			FROM jsonb_each(n) AS e WHERE e.value IS DISTINCT FROM o -> e.key;
		IF c IS NULL THEN
			RETURN NULL;
		END IF;
	ELSIF TG_OP = 'INSERT' THEN
		n := to_jsonb(NEW);
		SELECT jsonb_object_agg(e.key, jsonb_build_object('new', e.value)) INTO c FROM jsonb_each(n) AS e WHERE e.key <> 'id';
	ELSE
		o := to_jsonb(OLD);
		SELECT jsonb_object_agg(e.key, jsonb_build_object('old', e.value)) INTO c FROM jsonb_each(o) AS e WHERE e.key <> 'id';
	END IF;
	INSERT INTO audit_events (id, time, op, table_name, model, key, changes, actor_id, actor_type, tx)
	VALUES (gen_random_uuid(), clock_timestamp(), lower(TG_OP), TG_TABLE_NAME, 'Customer',
		jsonb_build_object('id', COALESCE(n, o) -> 'id'), c,
		current_setting('bench.actor_id'), current_setting('bench.actor_type'), current_setting('bench.tx')::uuid);
	RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON customers FOR EACH ROW EXECUTE FUNCTION audit_row();
`

// The same by statement. A trigger with transition tables is for one operation.
// OFFSET 0 keeps the planner from making the JSON again for each place where it is used.
const statementTrigger = `
CREATE FUNCTION audit_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO audit_events (id, time, op, table_name, model, key, changes, actor_id, actor_type, tx)
	SELECT gen_random_uuid(), clock_timestamp(), 'insert', TG_TABLE_NAME, 'Customer', jsonb_build_object('id', n.id),
		(SELECT jsonb_object_agg(e.key, jsonb_build_object('new', e.value)) FROM jsonb_each(to_jsonb(n)) AS e WHERE e.key <> 'id'),
		current_setting('bench.actor_id'), current_setting('bench.actor_type'), current_setting('bench.tx')::uuid
	FROM new_rows AS n;
	RETURN NULL;
END $$;
CREATE FUNCTION audit_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO audit_events (id, time, op, table_name, model, key, changes, actor_id, actor_type, tx)
	SELECT gen_random_uuid(), clock_timestamp(), 'delete', TG_TABLE_NAME, 'Customer', jsonb_build_object('id', o.id),
		(SELECT jsonb_object_agg(e.key, jsonb_build_object('old', e.value)) FROM jsonb_each(to_jsonb(o)) AS e WHERE e.key <> 'id'),
		current_setting('bench.actor_id'), current_setting('bench.actor_type'), current_setting('bench.tx')::uuid
	FROM old_rows AS o;
	RETURN NULL;
END $$;
CREATE FUNCTION audit_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO audit_events (id, time, op, table_name, model, key, changes, actor_id, actor_type, tx)
	SELECT gen_random_uuid(), clock_timestamp(), 'update', TG_TABLE_NAME, 'Customer', jsonb_build_object('id', r.id), r.c,
		current_setting('bench.actor_id'), current_setting('bench.actor_type'), current_setting('bench.tx')::uuid
	FROM (
		SELECT i.id, (
			SELECT jsonb_object_agg(e.key, jsonb_build_object('old', i.o -> e.key, 'new', e.value))
			FROM jsonb_each(i.n) AS e WHERE e.value IS DISTINCT FROM i.o -> e.key) AS c
		FROM (SELECT n.id, to_jsonb(o) AS o, to_jsonb(n) AS n FROM old_rows AS o JOIN new_rows AS n USING (id) OFFSET 0) AS i
		OFFSET 0
	) AS r
	WHERE r.c IS NOT NULL;
	RETURN NULL;
END $$;
CREATE TRIGGER audit_insert AFTER INSERT ON customers REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION audit_insert();
CREATE TRIGGER audit_delete AFTER DELETE ON customers REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION audit_delete();
CREATE TRIGGER audit_update AFTER UPDATE ON customers REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION audit_update();
`
