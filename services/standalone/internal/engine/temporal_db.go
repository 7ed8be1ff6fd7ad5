package engine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"

	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/schema/sqlite"
	sqlitedriver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// A database is where Temporal keeps everything: executions in one store and visibility (the listing of workflows) in
// another, each an SQLite file, or memory. Two, because SQLite has one writer at a time: the wide, much-indexed rows of
// visibility took a third of the writer's time, and apart from the rest a workflow no longer waits for them.
type database struct {
	main, visibility *config.SQL
	files            []string // none in memory
}

// The names under which the server's configuration knows the stores.
const mainStore, visibilityStore = "main", "visibility"

// openDatabase returns a database with the schema of this server and with the namespace.
func openDatabase(dir string, transient bool) (database, error) {
	if transient {
		db := database{main: memoryStore(), visibility: memoryStore()}
		return db, createNamespace(db.main)
	}
	db := database{files: []string{filepath.Join(dir, "temporal.db"), filepath.Join(dir, "visibility.db")}}
	for _, path := range db.files {
		if err := prepareFile(path); err != nil {
			return database{}, explainDatabase(path, err)
		}
	}
	db.main, db.visibility = fileStore(db.files[0]), fileStore(db.files[1])
	if err := createNamespace(db.main); err != nil {
		return database{}, explainDatabase(db.files[0], err)
	}
	return db, nil
}

// createNamespace adds the namespace, with one day's retention, unless it is there.
func createNamespace(store *config.SQL) error {
	ns, err := sqlite.NewNamespaceConfig(clusterName, namespace, false, nil)
	if err != nil {
		return fmt.Errorf("configure namespace: %w", err)
	}
	if err := sqlite.CreateNamespaces(store, ns); err != nil {
		return fmt.Errorf("create namespace: %w", err)
	}
	return nil
}

func memoryStore() *config.SQL {
	return newStore("plimsoll-"+secret(), map[string]string{"mode": "memory", "cache": "shared"})
}

// fileStore opens a file prepared by prepareFile. By default SQLite has a rollback journal and synchronous=full: two or
// three fsyncs for each of the ten or so transactions of a workflow. With a write-ahead log and synchronous=normal only a
// checkpoint syncs; a killed process loses nothing, and a power cut the last transactions but never consistency.
func fileStore(path string) *config.SQL {
	return newStore(uriPath(path), map[string]string{
		"mode":               "rwc",
		"journal_mode":       "wal",
		"synchronous":        "normal",
		"busy_timeout":       "10000",    // ms; only our own checkpoint at the end ever competes
		"cache_size":         "-16384",   // KiB
		"wal_autocheckpoint": "4096",     // pages of 4 KiB
		"journal_size_limit": "67108864", // the log shrinks to this after a burst
	})
}

func newStore(name string, attributes map[string]string) *config.SQL {
	// The server's plugin keeps a connection for each data source name until the process ends. A name of its own for each
	// start, by a pragma that SQLite does not know and so ignores, keeps a start from getting the connection of an
	// earlier one, whose file may have been removed or replaced.
	attributes["plimsoll_start"] = `"` + secret() + `"`
	return &config.SQL{
		PluginName:        sqliteplugin.PluginName,
		DatabaseName:      name,
		ConnectAttributes: attributes,
		// One connection: SQLite has one writer, and the server's transactions read before they write, which fails in
		// a write-ahead log as soon as another connection has written in between (SQLITE_BUSY_SNAPSHOT).
		MaxConns:     1,
		MaxIdleConns: 1,
	}
}

// uriPath escapes a path for SQLite's file: URIs.
func uriPath(path string) string { return (&url.URL{Path: path}).EscapedPath() }

// ErrSchema is returned when the Temporal database has the schema of another server version. Temporal has no migrations
// for SQLite, and what the database holds costs only time to lose.
var ErrSchema = errors.New("temporal database has another schema")

// prepareFile creates the schema in a new file, in one transaction, so that a kill leaves an empty file or a whole
// schema; in an old file it checks the schema's version. Reading anything also finds a truncated or foreign file.
func prepareFile(path string) error {
	db, err := sql.Open("sqlite", "file:"+uriPath(path)+"?mode=rwc&_pragma=busy_timeout%3D10000&_pragma=journal_mode%3Dwal")
	if err != nil {
		return err
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it has nothing to do
	var tables int
	if err := tx.QueryRow(`SELECT count(*) FROM sqlite_master`).Scan(&tables); err != nil {
		return fmt.Errorf("read schema: %w", err)
	}
	if tables > 0 {
		return checkSchema(path, tx)
	}
	if err := createSchema(tx); err != nil {
		return fmt.Errorf("create schema: %w", err)
	}
	return tx.Commit()
}

const schemaTable = "plimsoll_schema" // one row: the versions the schema was created with

func createSchema(tx *sql.Tx) error {
	if err := sqlite.SetupSchemaOnDB(schemaTx{tx: tx}); err != nil {
		return err
	}
	_, err := tx.Exec(`CREATE TABLE ` + schemaTable + ` (main TEXT NOT NULL, visibility TEXT NOT NULL)`)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO `+schemaTable+` VALUES (?, ?)`, sqlite.Version, sqlite.VisibilityVersion)
	return err
}

func checkSchema(path string, tx *sql.Tx) error {
	var main, visibility string
	err := tx.QueryRow(`SELECT main, visibility FROM `+schemaTable).Scan(&main, &visibility)
	if sqliteCode(err) == sqlite3.SQLITE_ERROR || errors.Is(err, sql.ErrNoRows) { // no such table: not made by us
		main, visibility = "unknown", "unknown"
	} else if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if main != sqlite.Version || visibility != sqlite.VisibilityVersion {
		return fmt.Errorf("%w: %s has version %s/%s, this Plimsoll needs %s/%s: remove the file; unfinished scans start again at the next sweep",
			ErrSchema, path, main, visibility, sqlite.Version, sqlite.VisibilityVersion)
	}
	return nil
}

// schemaTx lets Temporal's schema set-up run in our transaction; it only ever executes statements.
type schemaTx struct {
	sqlplugin.AdminDB // nil
	tx                *sql.Tx
}

func (s schemaTx) Exec(stmt string, args ...any) error {
	_, err := s.tx.Exec(stmt, args...)
	return err
}

// close folds the write-ahead logs into the files. The server's connections stay open, see newStore.
func (db database) close(ctx context.Context) error {
	var errs []error
	for _, path := range db.files {
		if err := checkpoint(ctx, path); err != nil {
			errs = append(errs, explainDatabase(path, fmt.Errorf("checkpoint: %w", err)))
		}
	}
	return errors.Join(errs...)
}

func checkpoint(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", "file:"+uriPath(path)+"?mode=rw&_pragma=busy_timeout%3D1000")
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
	return err
}

// explainDatabase says of a damaged file what to do about it.
func explainDatabase(path string, err error) error {
	switch sqliteCode(err) {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("temporal database %s is damaged: remove it, with its -wal and -shm files; unfinished scans start again at the next sweep: %w", path, err)
	default:
		return fmt.Errorf("temporal database %s: %w", path, err)
	}
}

// sqliteCode returns the primary result code of an SQLite error, 0 for other errors.
func sqliteCode(err error) int {
	if e, ok := errors.AsType[*sqlitedriver.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// isFull says whether err is about a full disk or quota. The engines report it as an error number, an SQLite code, or
// only in words.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) ||
		sqliteCode(err) == sqlite3.SQLITE_FULL || strings.Contains(err.Error(), syscall.ENOSPC.Error())
}
