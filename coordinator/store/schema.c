/* schema.c - see schema.h. */
#include "coordinator/store/schema.h"

/* Version 1. What a CHECK, UNIQUE or trigger says here holds whatever the program above does. */
static const char version_1[] =
    "CREATE TABLE self ("
    "  one INTEGER PRIMARY KEY CHECK (one = 1),"
    "  fence_number INTEGER NOT NULL CHECK (fence_number > 0),"
    "  fence_instance BLOB NOT NULL CHECK (length(fence_instance) = 16),"
    "  opened_ms INTEGER NOT NULL,"
    "  last_event INTEGER NOT NULL CHECK (last_event >= 0),"
    "  probe BLOB"
    ") STRICT;"

    "CREATE TABLE run ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  action TEXT NOT NULL,"
    "  pool TEXT NOT NULL,"
    "  selector TEXT NOT NULL,"
    "  actor TEXT NOT NULL,"
    "  reason TEXT NOT NULL,"
    "  batch INTEGER NOT NULL CHECK (batch >= 1),"
    "  max_unavailable INTEGER NOT NULL,"
    "  soak_ms INTEGER NOT NULL,"
    "  limit_ms INTEGER NOT NULL,"
    "  drain INTEGER NOT NULL CHECK (drain IN (0, 1)),"
    "  drain_limit_ms INTEGER NOT NULL,"
    "  on_drain_limit TEXT NOT NULL,"
    "  gate_passes INTEGER NOT NULL,"
    "  gate_min_ms INTEGER NOT NULL,"
    "  gate_deadline_ms INTEGER NOT NULL,"
    "  gate_interval_ms INTEGER NOT NULL,"
    "  on_failure TEXT NOT NULL,"
    "  max_failures INTEGER NOT NULL,"
    "  unreachable TEXT NOT NULL,"
    "  start_idle INTEGER NOT NULL CHECK (start_idle IN (0, 1)),"
    "  keep_autostart INTEGER NOT NULL CHECK (keep_autostart IN (0, 1)),"
    "  state TEXT NOT NULL,"
    "  pause_causes TEXT NOT NULL,"
    "  why TEXT NOT NULL,"
    "  created_ms INTEGER NOT NULL,"
    "  ended_ms INTEGER NOT NULL,"
    "  failures INTEGER NOT NULL"
    ") STRICT;"
    /* Open runs are few; those of years are not walked to find them. */
    "CREATE INDEX run_open ON run (id)"
    "  WHERE state NOT IN ('done', 'partial', 'failed', 'aborted');"

    "CREATE TABLE target ("
    "  run INTEGER NOT NULL REFERENCES run (id),"
    "  place INTEGER NOT NULL CHECK (place >= 0),"
    "  server TEXT NOT NULL CHECK (server <> ''),"
    "  state TEXT NOT NULL,"
    "  holds INTEGER NOT NULL CHECK (holds IN (0, 1)),"
    "  act_failed INTEGER NOT NULL CHECK (act_failed IN (0, 1)),"
    "  back INTEGER NOT NULL CHECK (back IN (0, 1)),"
    "  attempts INTEGER NOT NULL,"
    "  command_fence INTEGER NOT NULL,"
    "  command_instance BLOB NOT NULL CHECK (length(command_instance) = 16),"
    "  command_seq INTEGER NOT NULL,"
    "  outcome TEXT NOT NULL,"
    "  cause TEXT NOT NULL,"
    "  step TEXT NOT NULL,"
    "  detail TEXT NOT NULL,"
    "  places TEXT NOT NULL,"
    "  baseline TEXT NOT NULL,"
    "  after TEXT NOT NULL,"
    "  probe_status INTEGER NOT NULL,"
    "  probe_ms INTEGER NOT NULL,"
    "  gap_ms INTEGER NOT NULL,"
    "  orphans_allowed INTEGER NOT NULL CHECK (orphans_allowed IN (0, 1)),"
    "  started_ms INTEGER NOT NULL,"
    "  ended_ms INTEGER NOT NULL,"
    "  PRIMARY KEY (run, place),"
    "  UNIQUE (run, server)"
    ") STRICT, WITHOUT ROWID;"

    "CREATE TABLE lease ("
    "  server TEXT NOT NULL COLLATE NOCASE CHECK (server <> ''),"
    "  pool TEXT NOT NULL COLLATE NOCASE,"
    "  owner TEXT NOT NULL CHECK (owner IN ('run', 'incident')),"
    "  owner_id INTEGER NOT NULL CHECK (owner_id > 0),"
    "  since_ms INTEGER NOT NULL,"
    "  PRIMARY KEY (server, pool)"
    ") STRICT, WITHOUT ROWID;"
    /* Pool '' is the whole server: it and the lease of a pool exclude each other. */
    "CREATE TRIGGER lease_excludes BEFORE INSERT ON lease"
    "  WHEN EXISTS (SELECT 1 FROM lease WHERE server = NEW.server"
    "    AND (pool = '' OR NEW.pool = ''))"
    "  BEGIN SELECT RAISE(ABORT, 'the server is leased already'); END;"

    "CREATE TABLE command ("
    "  server TEXT NOT NULL CHECK (server <> ''),"
    "  fence_number INTEGER NOT NULL CHECK (fence_number > 0),"
    "  fence_instance BLOB NOT NULL CHECK (length(fence_instance) = 16),"
    "  seq INTEGER NOT NULL CHECK (seq > 0),"
    "  pool TEXT NOT NULL,"
    "  verb TEXT NOT NULL,"
    "  run INTEGER REFERENCES run (id),"
    "  place INTEGER NOT NULL,"
    "  sent_ms INTEGER NOT NULL,"
    "  outcome TEXT NOT NULL,"
    "  PRIMARY KEY (server, fence_number, fence_instance, seq)"
    ") STRICT, WITHOUT ROWID;"

    "CREATE TABLE incident ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  server TEXT NOT NULL CHECK (server <> ''),"
    "  pool TEXT NOT NULL,"
    "  kind TEXT NOT NULL,"
    "  text TEXT NOT NULL,"
    "  run INTEGER REFERENCES run (id),"
    "  places TEXT NOT NULL,"
    "  opened_ms INTEGER NOT NULL,"
    "  closed_ms INTEGER NOT NULL,"
    "  closed_how TEXT"
    ") STRICT;"
    "CREATE INDEX incident_open ON incident (id) WHERE closed_how IS NULL;"

    "CREATE TABLE server ("
    "  name TEXT PRIMARY KEY CHECK (name <> ''),"
    "  incarnation BLOB NOT NULL CHECK (length(incarnation) = 16),"
    "  first_seen_ms INTEGER NOT NULL,"
    "  declared_out_until_ms INTEGER NOT NULL,"
    "  declared_out_reason TEXT NOT NULL,"
    "  declared_out_by TEXT NOT NULL"
    ") STRICT, WITHOUT ROWID;"

    "CREATE TABLE audit ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  at_ms INTEGER NOT NULL,"
    "  actor TEXT NOT NULL CHECK (actor <> ''),"
    "  action TEXT NOT NULL CHECK (action <> ''),"
    "  object TEXT NOT NULL,"
    "  reason TEXT NOT NULL"
    ") STRICT;"
    "CREATE TRIGGER audit_stays BEFORE UPDATE ON audit"
    "  BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;"
    "CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit"
    "  BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;"

    "CREATE TABLE outbox ("
    "  seq INTEGER PRIMARY KEY CHECK (seq > 0),"
    "  wall_ms INTEGER NOT NULL,"
    "  kind TEXT NOT NULL,"
    "  run INTEGER NOT NULL,"
    "  server TEXT, pool TEXT, actor TEXT, text TEXT, from_word TEXT, to_word TEXT"
    ") STRICT;";

/* Version 2. A coordinator that agents told it is behind stays frozen over its restarts: each takes
 * a higher number, and would climb over what they know. 0 and '': not frozen. */
static const char version_2[] =
    "ALTER TABLE self ADD COLUMN freeze_fence INTEGER NOT NULL DEFAULT 0"
    "  CHECK (freeze_fence >= 0);"
    "ALTER TABLE self ADD COLUMN freeze_why TEXT NOT NULL DEFAULT '';";

/* Version 3. Waves, canary and order: as they were asked for, and what came of it per target. */
static const char version_3[] =
    "ALTER TABLE run ADD COLUMN batch_percent INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE run ADD COLUMN waves TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE run ADD COLUMN canary INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE run ADD COLUMN pause_after_canary INTEGER NOT NULL DEFAULT 0"
    "  CHECK (pause_after_canary IN (0, 1));"
    "ALTER TABLE run ADD COLUMN bake_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE run ADD COLUMN order_by TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE run ADD COLUMN wave INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE run ADD COLUMN wave_over INTEGER NOT NULL DEFAULT 0 CHECK (wave_over IN (0, 1));"
    "ALTER TABLE target ADD COLUMN wave INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE target ADD COLUMN zone TEXT NOT NULL DEFAULT '';";

/* Version 4. Two machines under one name stay blocked over our restarts, until a person says which
 * is the one: after a start only one of them may be speaking. '': not blocked. */
static const char version_4[] =
    "ALTER TABLE server ADD COLUMN blocked_why TEXT NOT NULL DEFAULT '';";

/* Version 5. What is still to be told to a [notice NAME], with its event's words. */
static const char version_5[] =
    "CREATE TABLE notice ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  name TEXT NOT NULL CHECK (name <> ''),"
    "  kind TEXT NOT NULL,"
    "  wall_ms INTEGER NOT NULL,"
    "  run INTEGER NOT NULL,"
    "  server TEXT, pool TEXT, actor TEXT, text TEXT, from_word TEXT, to_word TEXT"
    ") STRICT;";

/* Version 6. A second person's word, and until when it is waited for. */
static const char version_6[] =
    "ALTER TABLE run ADD COLUMN approve_by TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE run ADD COLUMN approve_until_ms INTEGER NOT NULL DEFAULT 0;";

/* Version 7. What a run bears, by kind of trouble; on_failure and max_failures say what it bears of
 * failures alone, and are what counts for runs from before. */
static const char version_7[] =
    "ALTER TABLE run ADD COLUMN policies TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE run ADD COLUMN troubles TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE target ADD COLUMN trouble TEXT NOT NULL DEFAULT 'failed';";

/* Version 8. A retry names the run whose rest it takes up. */
static const char version_8[] = "ALTER TABLE run ADD COLUMN parent INTEGER REFERENCES run (id);";

/* Version 9. A run's own hours; a target that is put back because they are over. */
static const char version_9[] =
    "ALTER TABLE run ADD COLUMN hours TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE target ADD COLUMN put_off INTEGER NOT NULL DEFAULT 0 CHECK (put_off IN (0, 1));";

/* Version 10. A target is a pool on a server: a run may have several of one server. The old table
 * had each server once, and a UNIQUE cannot be taken off: it is written anew. */
#define TARGET_COLUMNS_7                                                                           \
    "run, place, server, state, holds, act_failed, back, attempts, command_fence,"                 \
    " command_instance, command_seq, outcome, cause, step, detail, places, baseline, after,"       \
    " probe_status, probe_ms, gap_ms, orphans_allowed, started_ms, ended_ms, wave, zone, trouble," \
    " put_off"
static const char version_10[] =
    "CREATE TABLE target_7 ("
    "  run INTEGER NOT NULL REFERENCES run (id),"
    "  place INTEGER NOT NULL CHECK (place >= 0),"
    "  server TEXT NOT NULL CHECK (server <> ''),"
    "  state TEXT NOT NULL,"
    "  holds INTEGER NOT NULL CHECK (holds IN (0, 1)),"
    "  act_failed INTEGER NOT NULL CHECK (act_failed IN (0, 1)),"
    "  back INTEGER NOT NULL CHECK (back IN (0, 1)),"
    "  attempts INTEGER NOT NULL,"
    "  command_fence INTEGER NOT NULL,"
    "  command_instance BLOB NOT NULL CHECK (length(command_instance) = 16),"
    "  command_seq INTEGER NOT NULL,"
    "  outcome TEXT NOT NULL,"
    "  cause TEXT NOT NULL,"
    "  step TEXT NOT NULL,"
    "  detail TEXT NOT NULL,"
    "  places TEXT NOT NULL,"
    "  baseline TEXT NOT NULL,"
    "  after TEXT NOT NULL,"
    "  probe_status INTEGER NOT NULL,"
    "  probe_ms INTEGER NOT NULL,"
    "  gap_ms INTEGER NOT NULL,"
    "  orphans_allowed INTEGER NOT NULL CHECK (orphans_allowed IN (0, 1)),"
    "  started_ms INTEGER NOT NULL,"
    "  ended_ms INTEGER NOT NULL,"
    "  wave INTEGER NOT NULL,"
    "  zone TEXT NOT NULL,"
    "  trouble TEXT NOT NULL,"
    "  put_off INTEGER NOT NULL CHECK (put_off IN (0, 1)),"
    "  pool TEXT NOT NULL,"
    "  sessions_left INTEGER NOT NULL,"
    "  PRIMARY KEY (run, place),"
    "  UNIQUE (run, server, pool)"
    ") STRICT, WITHOUT ROWID;"
    "INSERT INTO target_7 (" TARGET_COLUMNS_7 ", pool, sessions_left)"
    "  SELECT " TARGET_COLUMNS_7
    ", (SELECT pool FROM run WHERE run.id = target.run), 0 FROM target;"
    "DROP TABLE target;"
    "ALTER TABLE target_7 RENAME TO target;";

/* Version 11. Limits of gates beside the probe, and what was measured before and after. The story
 * of a run is kept for good: each step of each target, and the plan as it was shown. */
static const char version_11[] =
    "ALTER TABLE run ADD COLUMN gate_latency TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE run ADD COLUMN gate_queue TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE run ADD COLUMN gate_memory TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE target ADD COLUMN before TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE target ADD COLUMN now TEXT NOT NULL DEFAULT '';"
    "CREATE TABLE step ("
    "  id INTEGER PRIMARY KEY,"
    "  run INTEGER NOT NULL REFERENCES run (id),"
    "  place INTEGER NOT NULL,"
    "  at_ms INTEGER NOT NULL,"
    "  from_state TEXT NOT NULL,"
    "  to_state TEXT NOT NULL,"
    "  text TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX step_of_run ON step (run, id);"
    "CREATE TRIGGER step_stays BEFORE UPDATE ON step"
    "  BEGIN SELECT RAISE(ABORT, 'steps of runs are only added to'); END;"
    "CREATE TABLE plan ("
    "  run INTEGER PRIMARY KEY REFERENCES run (id),"
    "  json TEXT NOT NULL"
    ") STRICT;";

/* Version 12. Runs on the services of servers, and on one worker. */
static const char version_12[] =
    "ALTER TABLE run ADD COLUMN enable INTEGER NOT NULL DEFAULT 0 CHECK (enable IN (0, 1));"
    "ALTER TABLE run ADD COLUMN all_servers INTEGER NOT NULL DEFAULT 0"
    "  CHECK (all_servers IN (0, 1));"
    "ALTER TABLE run ADD COLUMN worker_pid INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE run ADD COLUMN worker_created INTEGER NOT NULL DEFAULT 0;";

/* Version 13. Servers that a person asked everybody to keep their hands off. */
static const char version_13[] = "CREATE TABLE maintenance ("
                                 "  server TEXT PRIMARY KEY COLLATE NOCASE CHECK (server <> ''),"
                                 "  until_ms INTEGER NOT NULL CHECK (until_ms > 0),"
                                 "  reason TEXT NOT NULL CHECK (reason <> ''),"
                                 "  actor TEXT NOT NULL CHECK (actor <> '')"
                                 ") STRICT, WITHOUT ROWID;";

/* Version 14. Servers in the hands of others: since when, of which boot, and what releases them. */
static const char version_14[] =
    "ALTER TABLE run ADD COLUMN hold_key TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE target ADD COLUMN handed_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE target ADD COLUMN boot_before BLOB NOT NULL"
    "  DEFAULT x'00000000000000000000000000000000' CHECK (length(boot_before) = 16);";

/* Version 15. Pools that were stopped to stay stopped, and whether something brought them back. */
static const char version_15[] = "CREATE TABLE kept ("
                                 "  server TEXT NOT NULL COLLATE NOCASE CHECK (server <> ''),"
                                 "  pool TEXT NOT NULL COLLATE NOCASE CHECK (pool <> ''),"
                                 "  run INTEGER NOT NULL REFERENCES run (id),"
                                 "  actor TEXT NOT NULL,"
                                 "  reason TEXT NOT NULL,"
                                 "  since_ms INTEGER NOT NULL,"
                                 "  boot BLOB NOT NULL CHECK (length(boot) = 16),"
                                 "  was_pid INTEGER NOT NULL,"
                                 "  checked_ms INTEGER NOT NULL,"
                                 "  back_ms INTEGER NOT NULL,"
                                 "  back_how TEXT NOT NULL,"
                                 "  PRIMARY KEY (server, pool)"
                                 ") STRICT, WITHOUT ROWID;";

/* Version 16. Incidents that rules of remediation look after, and the story of each. */
static const char version_16[] =
    "ALTER TABLE incident ADD COLUMN rule TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE incident ADD COLUMN phase TEXT NOT NULL DEFAULT 'left';"
    "ALTER TABLE incident ADD COLUMN rung INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE incident ADD COLUMN phase_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE incident ADD COLUMN acted_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE incident ADD COLUMN until_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE incident ADD COLUMN alarmed INTEGER NOT NULL DEFAULT 0 CHECK (alarmed IN (0, 1));"
    "ALTER TABLE incident ADD COLUMN aborting INTEGER NOT NULL DEFAULT 0"
    "  CHECK (aborting IN (0, 1));"
    "ALTER TABLE incident ADD COLUMN approved_by TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE incident ADD COLUMN why TEXT NOT NULL DEFAULT '';"
    "CREATE INDEX incident_by_time ON incident (opened_ms);"
    "CREATE TABLE incident_note ("
    "  id INTEGER PRIMARY KEY,"
    "  incident INTEGER NOT NULL REFERENCES incident (id),"
    "  at_ms INTEGER NOT NULL,"
    "  kind TEXT NOT NULL CHECK (kind <> ''),"
    "  text TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX note_of_incident ON incident_note (incident, id);"
    "CREATE INDEX note_by_kind ON incident_note (kind, at_ms);"
    "CREATE TRIGGER note_stays BEFORE UPDATE ON incident_note"
    "  BEGIN SELECT RAISE(ABORT, 'stories of incidents are only added to'); END;";

/* Version 17. Settings as they were before a run warmed a pool, for undo; configuration that
 * servers share, changed once for all. */
static const char version_17[] =
    "ALTER TABLE run ADD COLUMN shared INTEGER NOT NULL DEFAULT 0 CHECK (shared IN (0, 1));"
    "CREATE TABLE former ("
    "  server TEXT NOT NULL COLLATE NOCASE CHECK (server <> ''),"
    "  pool TEXT NOT NULL COLLATE NOCASE CHECK (pool <> ''),"
    "  run INTEGER NOT NULL REFERENCES run (id),"
    "  settings TEXT NOT NULL CHECK (settings <> ''),"
    "  PRIMARY KEY (server, pool)"
    ") STRICT, WITHOUT ROWID;";

/* Version 18. Who belongs to the farm. Secrets are kept as their SHA-256, in hexadecimal. */
static const char version_18[] = "CREATE TABLE join_token ("
                                 "  id TEXT PRIMARY KEY CHECK (length(id) = 16),"
                                 "  hash TEXT NOT NULL CHECK (length(hash) = 64),"
                                 "  names TEXT NOT NULL CHECK (names <> ''),"
                                 "  labels TEXT NOT NULL,"
                                 "  profile TEXT NOT NULL,"
                                 "  uses INTEGER NOT NULL CHECK (uses > 0),"
                                 "  used INTEGER NOT NULL CHECK (used BETWEEN 0 AND uses),"
                                 "  created_ms INTEGER NOT NULL,"
                                 "  expires_ms INTEGER NOT NULL,"
                                 "  revoked_ms INTEGER NOT NULL,"
                                 "  created_by TEXT NOT NULL CHECK (created_by <> '')"
                                 ") STRICT, WITHOUT ROWID;"
                                 "CREATE TABLE member ("
                                 "  name TEXT PRIMARY KEY COLLATE NOCASE CHECK (name <> ''),"
                                 "  key TEXT NOT NULL CHECK (length(key) = 64),"
                                 "  token TEXT NOT NULL,"
                                 "  labels TEXT NOT NULL,"
                                 "  profile TEXT NOT NULL,"
                                 "  joined_ms INTEGER NOT NULL,"
                                 "  until_ms INTEGER NOT NULL,"
                                 "  removed_ms INTEGER NOT NULL,"
                                 "  since_ms INTEGER NOT NULL"
                                 ") STRICT, WITHOUT ROWID;"
                                 "CREATE TABLE joining ("
                                 "  key TEXT PRIMARY KEY CHECK (length(key) = 64),"
                                 "  name TEXT NOT NULL COLLATE NOCASE CHECK (name <> ''),"
                                 "  token TEXT NOT NULL,"
                                 "  address TEXT NOT NULL,"
                                 "  why TEXT NOT NULL,"
                                 "  asked_ms INTEGER NOT NULL,"
                                 "  approved_ms INTEGER NOT NULL"
                                 ") STRICT, WITHOUT ROWID;";

/* Version 19. Who may come from afar, and as what. */
static const char version_19[] = "CREATE TABLE operator_token ("
                                 "  id TEXT PRIMARY KEY CHECK (length(id) = 16),"
                                 "  hash TEXT NOT NULL CHECK (length(hash) = 64),"
                                 "  name TEXT NOT NULL CHECK (name <> ''),"
                                 "  role TEXT NOT NULL,"
                                 "  servers TEXT NOT NULL CHECK (servers <> ''),"
                                 "  created_ms INTEGER NOT NULL,"
                                 "  expires_ms INTEGER NOT NULL,"
                                 "  revoked_ms INTEGER NOT NULL,"
                                 "  created_by TEXT NOT NULL CHECK (created_by <> '')"
                                 ") STRICT, WITHOUT ROWID;";

/* Version 20. Where the words of the audit trail came from, and its chain (audit_chain.h). */
static const char version_20[] = "ALTER TABLE audit ADD COLUMN origin TEXT NOT NULL DEFAULT '';"
                                 "ALTER TABLE audit ADD COLUMN hash TEXT NOT NULL DEFAULT '';";

/* Version 21. A limit on requests that are answered 503. */
static const char version_21[] = "ALTER TABLE run ADD COLUMN gate_errors TEXT NOT NULL DEFAULT '';";

/* Version 22. What was before, what is after, and what came of it, in the chain as well; rows of
 * the trail that are still to be told to others. */
static const char version_22[] =
    "ALTER TABLE audit ADD COLUMN before TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE audit ADD COLUMN after TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE audit ADD COLUMN result TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE notice ADD COLUMN audit INTEGER REFERENCES audit (id);";

/* Version 23. Operators with a certificate: `hash` is of its public key. */
static const char version_23[] =
    "ALTER TABLE operator_token ADD COLUMN certificate INTEGER NOT NULL DEFAULT 0"
    "  CHECK (certificate IN (0, 1));";

/* Version 24. What a run over a whole server has taken over: incidents of its pools. */
static const char version_24[] = "ALTER TABLE target ADD COLUMN taken TEXT NOT NULL DEFAULT '';";

/* Version 25. What blocks an incident, as a word. */
static const char version_25[] = "ALTER TABLE incident ADD COLUMN guard TEXT NOT NULL DEFAULT '';";

/* Version 26. What stays stopped may be the web services of a server as a whole: pool ''. */
static const char version_26[] = "CREATE TABLE kept_now ("
                                 "  server TEXT NOT NULL COLLATE NOCASE CHECK (server <> ''),"
                                 "  pool TEXT NOT NULL COLLATE NOCASE,"
                                 "  run INTEGER NOT NULL REFERENCES run (id),"
                                 "  actor TEXT NOT NULL,"
                                 "  reason TEXT NOT NULL,"
                                 "  since_ms INTEGER NOT NULL,"
                                 "  boot BLOB NOT NULL CHECK (length(boot) = 16),"
                                 "  was_pid INTEGER NOT NULL,"
                                 "  checked_ms INTEGER NOT NULL,"
                                 "  back_ms INTEGER NOT NULL,"
                                 "  back_how TEXT NOT NULL,"
                                 "  PRIMARY KEY (server, pool)"
                                 ") STRICT, WITHOUT ROWID;"
                                 "INSERT INTO kept_now SELECT server, pool, run, actor, reason,"
                                 "  since_ms, boot, was_pid, checked_ms, back_ms, back_how"
                                 "  FROM kept;"
                                 "DROP TABLE kept;"
                                 "ALTER TABLE kept_now RENAME TO kept;";

/* Version 27. Whether the services were disabled by others before a run was to keep them down. */
static const char version_27[] = "ALTER TABLE kept ADD COLUMN found_down INTEGER NOT NULL DEFAULT 0"
                                 "  CHECK (found_down IN (0, 1));";

/* Version 28. What an agent tells of executing requests, which each of its answers does, is a kind
 * of note of its own: until now the words were all that told it. */
static const char version_28[] =
    "DROP TRIGGER note_stays;"
    "UPDATE incident_note SET kind = 'requests' WHERE kind = 'evidence'"
    "  AND (text LIKE 'executing requests are not known: %' OR text = 'no request is executing'"
    "       OR text LIKE '1 request is executing, the oldest for %'"
    "       OR text LIKE '% requests are executing, the oldest for %');"
    "CREATE TRIGGER note_stays BEFORE UPDATE ON incident_note"
    "  BEGIN SELECT RAISE(ABORT, 'stories of incidents are only added to'); END;";

/* Version 29. When the newest certificate of a name was issued: the next one is later, whatever the
 * clock does (to the end of the year 9999). Before, it is the first one's time that is known. */
static const char version_29[] = "ALTER TABLE member ADD COLUMN issued_ms INTEGER NOT NULL"
                                 "  DEFAULT 0 CHECK (issued_ms BETWEEN 0 AND 253402300799999);"
                                 "UPDATE member SET issued_ms = since_ms;";

const char *const schema_migrations[] = {
    version_1,  version_2,  version_3,  version_4,  version_5,  version_6,  version_7,  version_8,
    version_9,  version_10, version_11, version_12, version_13, version_14, version_15, version_16,
    version_17, version_18, version_19, version_20, version_21, version_22, version_23, version_24,
    version_25, version_26, version_27, version_28, version_29};
const size_t schema_migration_count = sizeof(schema_migrations) / sizeof(schema_migrations[0]);

#define RUN_COLUMNS                                                                                \
    "id, action, pool, selector, actor, reason, batch, max_unavailable, soak_ms, limit_ms, drain," \
    " drain_limit_ms, on_drain_limit, gate_passes, gate_min_ms, gate_deadline_ms,"                 \
    " gate_interval_ms, on_failure, max_failures, unreachable, start_idle, keep_autostart, state," \
    " pause_causes, why, created_ms, ended_ms, failures, batch_percent, waves, canary,"            \
    " pause_after_canary, bake_ms, order_by, wave, wave_over, approve_by, approve_until_ms, "      \
    "policies, troubles, parent, hours,"                                                           \
    " gate_latency, gate_queue, gate_memory, enable, all_servers, worker_pid, worker_created,"     \
    " hold_key, shared, gate_errors"

#define TARGET_COLUMNS                                                                             \
    "place, server, state, holds, act_failed, back, attempts, command_fence, command_instance,"    \
    " command_seq, outcome, cause, step, detail, places, baseline, after, probe_status, probe_ms," \
    " gap_ms, orphans_allowed, started_ms, ended_ms, wave, zone, trouble, put_off, pool,"          \
    " sessions_left, before, now, handed_ms, boot_before, taken"

#define INCIDENT_COLUMNS                                                                           \
    "incident.id, server, pool, incident.kind, incident.text, run, places, opened_ms, closed_ms,"  \
    " rule, phase, rung, phase_ms, acted_ms, until_ms, alarmed, aborting, approved_by,"            \
    " coalesce(closed_how, why), guard"

#define OPEN_STATES "state NOT IN ('done', 'partial', 'failed', 'aborted')"

const char *const schema_statements[SCHEMA_STATEMENT_COUNT] = {
    [SQL_READ_FENCE] = "SELECT fence_number FROM self",
    [SQL_FIRST_FENCE] = "INSERT INTO self (one, fence_number, fence_instance, opened_ms,"
                        " last_event) VALUES (1, ?1, ?2, ?3, 0)",
    [SQL_NEXT_FENCE] = "UPDATE self SET fence_number = ?1, fence_instance = ?2, opened_ms = ?3",
    [SQL_SAVE_FREEZE] = "UPDATE self SET freeze_fence = ?1, freeze_why = ?2",
    [SQL_FREEZE] = "SELECT freeze_fence, freeze_why FROM self",
    /* Equal bytes would not be written at all, so they are random; a few pages, as a step takes. */
    [SQL_PROBE] = "UPDATE self SET probe = randomblob(16384)",

    [SQL_INSERT_RUN] =
        "INSERT INTO run (" RUN_COLUMNS ") VALUES (NULL, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, "
        "?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,"
        " ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36,"
        " ?37, ?38, ?39, ?40, ?41, ?42, ?43, ?44, ?45, ?46, ?47, ?48, ?49, ?50, ?51, ?52)",
    /* All that can change in a run's life: its options too, since they may be set live. */
    [SQL_UPDATE_RUN] =
        "UPDATE run SET action = ?2, pool = ?3, selector = ?4, actor = ?5, reason = ?6, batch = ?7,"
        " max_unavailable = ?8, soak_ms = ?9, limit_ms = ?10, drain = ?11, drain_limit_ms = ?12,"
        " on_drain_limit = ?13, gate_passes = ?14, gate_min_ms = ?15, gate_deadline_ms = ?16,"
        " gate_interval_ms = ?17, on_failure = ?18, max_failures = ?19, unreachable = ?20,"
        " start_idle = ?21, keep_autostart = ?22, state = ?23, pause_causes = ?24, why = ?25,"
        " created_ms = ?26, ended_ms = ?27, failures = ?28, batch_percent = ?29, waves = ?30,"
        " canary = ?31, pause_after_canary = ?32, bake_ms = ?33, order_by = ?34, wave = ?35,"
        " wave_over = ?36, approve_by = ?37, approve_until_ms = ?38, policies = ?39,"
        " troubles = ?40, parent = ?41, hours = ?42, gate_latency = ?43, gate_queue = ?44,"
        " gate_memory = ?45, enable = ?46, all_servers = ?47, worker_pid = ?48,"
        " worker_created = ?49, hold_key = ?50, shared = ?51, gate_errors = ?52 WHERE id = ?1",
    [SQL_OPEN_RUNS] = "SELECT " RUN_COLUMNS " FROM run WHERE " OPEN_STATES " ORDER BY id",
    [SQL_ONE_RUN] = "SELECT " RUN_COLUMNS " FROM run WHERE id = ?1",
    [SQL_LIST_RUNS] = "SELECT " RUN_COLUMNS " FROM run ORDER BY id DESC LIMIT ?1",
    [SQL_COUNT_TARGETS] = "SELECT count(*) FROM target WHERE run = ?1",
    [SQL_COUNT_STATES] = "SELECT state, count(*) FROM target WHERE run = ?1 GROUP BY state",

    [SQL_INSERT_TARGET] =
        "INSERT INTO target (run, " TARGET_COLUMNS ") VALUES (?1, ?2, ?3, ?4,"
        " ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,"
        " ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35)",
    /* The list is frozen: which server a target is never changes. */
    [SQL_UPDATE_TARGET] =
        "UPDATE target SET state = ?4, holds = ?5, act_failed = ?6, back = ?7, attempts = ?8,"
        " command_fence = ?9, command_instance = ?10, command_seq = ?11, outcome = ?12,"
        " cause = ?13, step = ?14, detail = ?15, places = ?16, baseline = ?17, after = ?18,"
        " probe_status = ?19, probe_ms = ?20, gap_ms = ?21, orphans_allowed = ?22,"
        " started_ms = ?23, ended_ms = ?24, wave = ?25, zone = ?26,"
        " trouble = ?27, put_off = ?28, sessions_left = ?30, before = ?31, now = ?32,"
        " handed_ms = ?33, boot_before = ?34, taken = ?35"
        " WHERE run = ?1 AND place = ?2 AND server = ?3 AND pool = ?29",
    [SQL_TARGETS] = "SELECT " TARGET_COLUMNS " FROM target WHERE run = ?1 ORDER BY place",

    [SQL_INSERT_STEP] = "INSERT INTO step (run, place, at_ms, from_state, to_state, text)"
                        " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [SQL_STEPS] = "SELECT place, at_ms, from_state, to_state, text FROM step WHERE run = ?1"
                  " ORDER BY id",
    [SQL_INSERT_PLAN] = "INSERT INTO plan (run, json) VALUES (?1, ?2)",
    [SQL_PLAN] = "SELECT json FROM plan WHERE run = ?1",

    [SQL_LEASE_HOLDER] = "SELECT pool, owner, owner_id FROM lease WHERE server = ?1"
                         " AND (pool = ?2 OR pool = '' OR ?2 = '') ORDER BY pool LIMIT 1",
    [SQL_INSERT_LEASE] = "INSERT INTO lease (server, pool, owner, owner_id, since_ms)"
                         " VALUES (?1, ?2, ?3, ?4, ?5)",
    [SQL_MOVE_LEASE] = "UPDATE lease SET owner = ?3, owner_id = ?4 WHERE server = ?1 AND pool = ?2",
    [SQL_DROP_LEASE] = "DELETE FROM lease WHERE server = ?1 AND pool = ?2",
    [SQL_LEASES] = "SELECT server, pool, owner, owner_id, since_ms FROM lease",

    [SQL_INSERT_COMMAND] = "INSERT INTO command (server, fence_number, fence_instance, seq, pool,"
                           " verb, run, place, sent_ms, outcome)"
                           " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [SQL_END_COMMAND] = "UPDATE command SET outcome = ?5 WHERE server = ?1 AND fence_number = ?2"
                        " AND fence_instance = ?3 AND seq = ?4",
    [SQL_FIND_COMMAND] = "SELECT server, pool, verb, run, place, sent_ms, outcome FROM command"
                         " WHERE server = ?1 AND fence_number = ?2 AND fence_instance = ?3"
                         " AND seq = ?4",

    [SQL_INSERT_INCIDENT] =
        "INSERT INTO incident (server, pool, kind, text, run, places, opened_ms, closed_ms, rule,"
        " phase, rung, phase_ms, acted_ms, until_ms, alarmed, aborting, approved_by, why,"
        " guard) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,"
        " ?17, ?18)",
    [SQL_SAVE_INCIDENT] =
        "UPDATE incident SET run = ?2, phase = ?3, rung = ?4, phase_ms = ?5, acted_ms = ?6,"
        " until_ms = ?7, alarmed = ?8, aborting = ?9, approved_by = ?10, why = ?11,"
        " guard = ?12"
        " WHERE id = ?1 AND closed_how IS NULL",
    [SQL_LIST_INCIDENTS] = "SELECT " INCIDENT_COLUMNS " FROM incident WHERE opened_ms >= ?1"
                           " ORDER BY incident.id DESC LIMIT ?2",
    [SQL_ONE_INCIDENT] = "SELECT " INCIDENT_COLUMNS " FROM incident WHERE id = ?1",
    [SQL_INSERT_NOTE] = "INSERT INTO incident_note (incident, at_ms, kind, text)"
                        " VALUES (?1, ?2, ?3, ?4)",
    [SQL_NOTES] = "SELECT at_ms, kind, text FROM incident_note WHERE incident = ?1 ORDER BY id",
    [SQL_RECENT_NOTES] =
        "SELECT n.at_ms, n.kind, n.text, " INCIDENT_COLUMNS " FROM incident_note n"
        " JOIN incident ON incident.id = n.incident WHERE n.kind = ?1 AND n.at_ms >= ?2"
        " ORDER BY n.id LIMIT 10000",
    /* What an open one is decided by stays, however old. */
    [SQL_FORGET_EVIDENCE] =
        "DELETE FROM incident_note WHERE id IN (SELECT n.id FROM incident_note n JOIN incident i"
        " ON i.id = n.incident WHERE n.kind IN ('evidence', 'requests') AND n.at_ms < ?1"
        " AND i.closed_how IS NOT NULL AND i.closed_ms < ?1 LIMIT ?2)",
    [SQL_CLOSE_INCIDENT] = "UPDATE incident SET closed_ms = ?2, closed_how = ?3"
                           " WHERE id = ?1 AND closed_how IS NULL",
    [SQL_PLACES_OF_INCIDENT] = "UPDATE incident SET places = ?2"
                               " WHERE id = ?1 AND closed_how IS NULL",
    [SQL_OPEN_INCIDENTS] =
        "SELECT " INCIDENT_COLUMNS " FROM incident WHERE closed_how IS NULL ORDER BY id",

    [SQL_SAVE_SERVER] = "INSERT INTO server (name, incarnation, first_seen_ms,"
                        " declared_out_until_ms, declared_out_reason, declared_out_by, blocked_why)"
                        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
                        " ON CONFLICT (name) DO UPDATE SET incarnation = ?2, first_seen_ms = ?3,"
                        " declared_out_until_ms = ?4, declared_out_reason = ?5,"
                        " declared_out_by = ?6, blocked_why = ?7",
    [SQL_DROP_SERVER] = "DELETE FROM server WHERE name = ?1",
    [SQL_SERVERS] = "SELECT name, incarnation, first_seen_ms, declared_out_until_ms,"
                    " declared_out_reason, declared_out_by, blocked_why FROM server ORDER BY name",

    [SQL_SAVE_MAINTENANCE] = "INSERT INTO maintenance (server, until_ms, reason, actor)"
                             " VALUES (?1, ?2, ?3, ?4) ON CONFLICT (server) DO UPDATE SET"
                             " until_ms = ?2, reason = ?3, actor = ?4",
    [SQL_END_MAINTENANCE] = "DELETE FROM maintenance WHERE server = ?1",
    [SQL_MAINTENANCE] = "SELECT server, until_ms, reason, actor FROM maintenance",

    [SQL_SAVE_KEPT] =
        "INSERT INTO kept (server, pool, run, actor, reason, since_ms, boot, was_pid,"
        " checked_ms, back_ms, back_how, found_down) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,"
        " ?10, ?11, ?12) ON CONFLICT (server, pool) DO UPDATE SET run = ?3, actor = ?4,"
        " reason = ?5, since_ms = ?6, boot = ?7, was_pid = ?8, checked_ms = ?9,"
        " back_ms = ?10, back_how = ?11, found_down = ?12",
    [SQL_DROP_KEPT] = "DELETE FROM kept WHERE server = ?1 AND pool = ?2",
    [SQL_KEPT] = "SELECT server, pool, run, actor, reason, since_ms, boot, was_pid, checked_ms,"
                 " back_ms, back_how, found_down FROM kept ORDER BY server, pool",

    [SQL_SAVE_FORMER] = "INSERT INTO former (server, pool, run, settings) VALUES (?1, ?2, ?3, ?4)"
                        " ON CONFLICT (server, pool) DO UPDATE SET run = ?3, settings = ?4",
    [SQL_DROP_FORMER] = "DELETE FROM former WHERE server = ?1 AND pool = ?2",
    [SQL_FORMER] = "SELECT server, pool, run, settings FROM former ORDER BY server, pool",
    /* What such acts took, and how large the gap was: the newest of the last thousand runs. */
    [SQL_TIMES] =
        "SELECT t.server, t.pool, t.started_ms, t.ended_ms, t.gap_ms, t.probe_ms FROM"
        " (SELECT id FROM run WHERE action = ?1 ORDER BY id DESC LIMIT 1000) r"
        " JOIN target t ON t.run = r.id WHERE t.state = 'done' AND t.ended_ms >= t.started_ms"
        " ORDER BY r.id DESC LIMIT ?2",
    [SQL_RETRY] = "SELECT max(id) FROM run WHERE parent = ?1",

    [SQL_NEXT_EVENT] = "UPDATE self SET last_event = last_event + 1 RETURNING last_event",
    [SQL_RAISE_EVENT] = "UPDATE self SET last_event = max(last_event, ?1)",
    [SQL_LAST_EVENT] = "SELECT last_event FROM self",
    [SQL_INSERT_OUTBOX] = "INSERT INTO outbox (seq, wall_ms, kind, run, server, pool, actor, text,"
                          " from_word, to_word) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [SQL_OUTBOX] = "SELECT seq, wall_ms, kind, run, server, pool, actor, text, from_word, to_word"
                   " FROM outbox WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    [SQL_OUTBOX_DONE] = "DELETE FROM outbox WHERE seq <= ?1",
    [SQL_INSERT_NOTICE] = "INSERT INTO notice (name, kind, wall_ms, run, server, pool, actor, text,"
                          " from_word, to_word, audit)"
                          " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [SQL_NOTICES] = "SELECT id, name, kind, wall_ms, run, server, pool, actor, text, from_word,"
                    " to_word, coalesce(audit, 0) FROM notice WHERE id > ?1 ORDER BY id",
    [SQL_ONE_NOTICE] = "SELECT id, name, kind, wall_ms, run, server, pool, actor, text, from_word,"
                       " to_word, coalesce(audit, 0) FROM notice WHERE id = ?1",
    [SQL_DROP_NOTICE] = "DELETE FROM notice WHERE id = ?1",
    [SQL_LAST_NOTICE] = "SELECT coalesce(max(id), 0) FROM notice",
    [SQL_INSERT_AUDIT] = "INSERT INTO audit (id, at_ms, actor, origin, action, object, reason,"
                         " before, after, result, hash)"
                         " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [SQL_LAST_AUDIT] = "SELECT coalesce(max(id), 0), coalesce((SELECT seq FROM sqlite_sequence"
                       " WHERE name = 'audit'), 0), coalesce((SELECT hash FROM audit"
                       " ORDER BY id DESC LIMIT 1), '') FROM audit",
    [SQL_AUDIT] = "SELECT id, at_ms, actor, origin, action, object, reason, before, after,"
                  " result, hash FROM audit WHERE id > ?1 ORDER BY id LIMIT ?2",
    [SQL_SAVE_JOIN_RIGHT] =
        "INSERT INTO join_token (id, hash, names, labels, profile, uses, used, created_ms,"
        " expires_ms, revoked_ms, created_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
        " ON CONFLICT (id) DO UPDATE SET used = excluded.used, revoked_ms = excluded.revoked_ms",
    [SQL_JOIN_RIGHTS] = "SELECT id, hash, names, labels, profile, uses, used, created_ms,"
                        " expires_ms, revoked_ms, created_by FROM join_token ORDER BY created_ms",
    [SQL_SAVE_MEMBER] =
        "INSERT INTO member (name, key, token, labels, profile, joined_ms, until_ms, removed_ms,"
        " since_ms, issued_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
        " ON CONFLICT (name) DO UPDATE SET"
        " key = excluded.key, token = excluded.token, labels = excluded.labels,"
        " profile = excluded.profile, joined_ms = excluded.joined_ms, until_ms = excluded.until_ms,"
        " removed_ms = excluded.removed_ms, since_ms = excluded.since_ms,"
        " issued_ms = excluded.issued_ms",
    [SQL_MEMBERS] = "SELECT name, key, token, labels, profile, joined_ms, until_ms, removed_ms,"
                    " since_ms, issued_ms FROM member ORDER BY name",
    [SQL_SAVE_JOINING] =
        "INSERT INTO joining (key, name, token, address, why, asked_ms, approved_ms)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
        " ON CONFLICT (key) DO UPDATE SET approved_ms = excluded.approved_ms",
    [SQL_SAVE_OPERATOR] =
        "INSERT INTO operator_token (id, hash, name, role, servers, created_ms, expires_ms,"
        " revoked_ms, created_by, certificate) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
        " ON CONFLICT (id) DO UPDATE SET revoked_ms = excluded.revoked_ms",
    [SQL_OPERATORS] = "SELECT id, hash, name, role, servers, created_ms, expires_ms, revoked_ms,"
                      " created_by, certificate FROM operator_token ORDER BY created_ms",
    [SQL_DROP_JOINING] = "DELETE FROM joining WHERE key = ?1",
    [SQL_JOINING] = "SELECT key, name, token, address, why, asked_ms, approved_ms FROM joining"
                    " ORDER BY asked_ms, key",
};
