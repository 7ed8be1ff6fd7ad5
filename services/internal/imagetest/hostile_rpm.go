package imagetest

import "encoding/binary"

// rpmHeader is one package as rpm keeps it: numbers of entries and of bytes, then entries, then their data (rpm,
// docs/manual/format_header).
type rpmHeader struct {
	entries, size uint32 // as claimed; 0: the true ones
	at            uint32 // added to each offset
	name          string // empty: bash
}

func (h rpmHeader) bytes() []byte {
	const typeString = 6
	be := binary.BigEndian
	var index, data []byte
	for i, v := range []string{orElse(h.name, "bash"), "5.1.8", "6.el9", "x86_64", "bash-5.1.8-6.el9.src.rpm"} {
		tag := []uint32{1000, 1001, 1002, 1022, 1044}[i] // name, version, release, architecture, source
		for _, field := range []uint32{tag, typeString, uint32(len(data)) + h.at, 1} {
			index = be.AppendUint32(index, field)
		}
		data = append(append(data, v...), 0)
	}
	entries, size := uint32(len(index)/16), uint32(len(data))
	if h.entries != 0 {
		entries = h.entries
	}
	if h.size != 0 {
		size = h.size
	}
	out := be.AppendUint32(be.AppendUint32(nil, entries), size)
	return append(append(out, index...), data...)
}

const bashHeld = "bash 5.1.8-6.el9"

// rpmCase is a Red Hat base with this database.
func rpmCase(name, want, path string, db []byte) Case {
	return tarCase("H38 "+name, want, redHatWith(path, db)...)
}

func redHatWith(path string, db []byte) []File {
	return []File{
		Text("etc/os-release", "ID=\"almalinux\"\nVERSION_ID=\"9.4\"\nPRETTY_NAME=\"AlmaLinux 9.4\"\n"),
		Dir("var"), Dir("var/lib"), Dir("var/lib/rpm"), {Name: path, Body: db},
	}
}

const (
	rpmSQLite = "var/lib/rpm/rpmdb.sqlite"
	rpmNDB    = "var/lib/rpm/Packages.db"
	rpmBDB    = "var/lib/rpm/Packages"
)

// hostileRPM are H38.
func hostileRPM() []Case {
	var all []Case
	for _, group := range []func() []Case{hostileSQLite, hostileNDB, hostileBDB} {
		all = append(all, group()...)
	}
	good := rpmHeader{}.bytes()
	for _, h := range []struct {
		name string
		b    []byte
	}{
		{"header of four billion entries", rpmHeader{entries: 1<<32 - 1}.bytes()},
		{"header of four gigabytes", rpmHeader{size: 1<<32 - 1}.bytes()},
		{"header with offsets beyond its data", rpmHeader{at: 1 << 30}.bytes()},
		{"header cut short", good[:20]},
		{"header without a name", rpmHeader{name: "\x00"}.bytes()},
	} {
		db := sqliteDB{rows: [][]byte{good, h.b}}
		all = append(all, rpmCase(h.name, WantPartial, rpmSQLite, db.bytes()).holds(bashHeld))
	}
	return all
}
