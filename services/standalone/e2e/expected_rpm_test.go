package e2e

import (
	"bytes"
	"database/sql"
	byteorder "encoding/binary" // its own name is the product's in these tests
	"path/filepath"
	"strconv"
	"testing"

	_ "modernc.org/sqlite" // the driver that rpmDatabase names
)

// Tags and types of an rpm header (rpm, include/rpm/rpmtag.h).
const (
	rpmTagImmutable = 63
	rpmTagName      = 1000
	rpmTagVersion   = 1001
	rpmTagRelease   = 1002
	rpmTagEpoch     = 1003
	rpmTagArch      = 1022

	rpmInt32  = 4
	rpmString = 6
	rpmBin    = 7
)

// rpmEntry is one line of a header's index: big endian, as all of a header.
type rpmEntry struct{ Tag, Type, Offset, Count uint32 }

// rpmHeader is a package as rpm stores it: the numbers of entries and of bytes of data, the entries, the data. The first entry
// is the region that holds all others; its trailer ends the data and counts back (rpm, docs/manual/format_header).
func rpmHeader(t *testing.T, name, epoch, version, release, arch string) []byte {
	t.Helper()
	var data bytes.Buffer
	entries := []rpmEntry{{}} // the region, known at the end
	text := func(tag uint32, s string) {
		entries = append(entries, rpmEntry{tag, rpmString, uint32(data.Len()), 1})
		data.WriteString(s + "\x00")
	}
	text(rpmTagName, name)
	text(rpmTagVersion, version)
	text(rpmTagRelease, release)
	if epoch != "(none)" {
		n, err := strconv.ParseUint(epoch, 10, 32)
		if err != nil {
			t.Fatalf("epoch of %s: %v", name, err)
		}
		data.Write(make([]byte, -data.Len()&3)) // numbers are aligned
		entries = append(entries, rpmEntry{rpmTagEpoch, rpmInt32, uint32(data.Len()), 1})
		data.Write(byteorder.BigEndian.AppendUint32(nil, uint32(n)))
	}
	text(rpmTagArch, arch)
	const entrySize = 16
	entries[0] = rpmEntry{rpmTagImmutable, rpmBin, uint32(data.Len()), entrySize}
	trailer := rpmEntry{rpmTagImmutable, rpmBin, -uint32(len(entries) * entrySize), entrySize}
	var header bytes.Buffer
	for _, part := range []any{uint32(len(entries)), uint32(data.Len() + entrySize), entries, data.Bytes(), trailer} {
		if err := byteorder.Write(&header, byteorder.BigEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return header.Bytes()
}

// rpmDatabase is rpmdb.sqlite as rpm 4.16 and later make it, written by SQLite itself.
func rpmDatabase(t *testing.T, headers [][]byte) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rpmdb.sqlite")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after the commit
	if _, err := tx.Exec(`CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)`); err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		if _, err := tx.Exec(`INSERT INTO Packages (blob) VALUES (?)`, h); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return readFile(t, file)
}
