package analyze

import (
	"bytes"
	"context"
	"errors"
	"path"
	"slices"

	"github.com/plimsoll/plimsoll"
)

// The places and names of rpm databases, as osv-scalibr has them.
var (
	rpmFolders = []string{"var/lib/rpm/", "usr/lib/sysimage/rpm/", "usr/share/rpm/"}
	rpmNames   = []string{"Packages", "Packages.db", "rpmdb.sqlite"}
)

const walSuffix = "-wal"

func wantsRPM(f *file) bool {
	dir, base := path.Split(f.path)
	return slices.Contains(rpmFolders, dir) && slices.Contains(rpmNames, base)
}

// isWAL tells SQLite's write-ahead log of an rpm database: changes that are not in the database file yet.
func isWAL(p string) bool {
	dir, base := path.Split(p)
	return slices.Contains(rpmFolders, dir) && base == "rpmdb.sqlite"+walSuffix
}

// errDatabase is returned by the readers of rpm's formats for bytes that break the format. What was read before counts.
var errDatabase = errors.New("broken rpm database")

// readRPM reads an rpm database in any of its three forms, told by their bytes: Berkeley DB hash, ndb and SQLite. Our own
// readers take bytes, so nothing is written anywhere, follow each page once, so nothing loops, and run no SQL of an image.
func readRPM(ctx context.Context, f *file) (found []plimsoll.Package, reason string) {
	var headers func(ctx context.Context, b []byte, do func(header []byte) error) error
	switch {
	case bytes.HasPrefix(f.data, []byte(sqliteMagic)):
		headers = sqliteHeaders
	case bytes.HasPrefix(f.data, []byte(ndbMagic)):
		headers = ndbHeaders
	case isBDB(f.data):
		headers = bdbHeaders
	case len(f.data) == 0:
		return nil, ""
	default:
		return nil, "unsupported: rpm database of an unknown form"
	}
	bad := false
	err := headers(ctx, f.data, func(h []byte) error {
		p, err := parseHeader(h)
		if err != nil {
			bad = true
			return nil
		}
		if found = append(found, p); len(found) > maxPerFile {
			return errEnough
		}
		return nil
	})
	switch {
	case errors.Is(err, errEnough):
		return found, "" // the caller counts and tells
	case err != nil:
		return found, errDatabase.Error()
	case bad:
		return found, reasonMalformed
	}
	return found, ""
}

// errEnough ends a database that holds more packages than are kept.
var errEnough = errors.New("enough packages")

// unmerged makes an rpm database partial whose write-ahead log holds changes.
func (p *packages) unmerged() {
	for i := range p.facts.Sources {
		s := &p.facts.Sources[i]
		if s.Extractor == NameRPM && p.wal[s.Path+walSuffix] > 0 && !s.Read.Short() {
			s.Read = plimsoll.Partial(NameRPM + ": the database has a write-ahead log that was not merged")
		}
	}
}
