package imagetest

import (
	"encoding/binary"
	"fmt"
)

// sqliteDB is a database of a table Packages, in as much of SQLite's file format (sqlite.org/fileformat2.html) as it takes. Zero
// values are honest.
type sqliteDB struct {
	rows     [][]byte // each a blob
	pageSize uint16   // as claimed; 0: the true one, 4096
	pages    uint32   // number of pages as claimed; 0: the true one
	root     byte     // page of the table as the schema says; 0: the true one, 2
	kind     string   // of the schema's entry; empty: table
	sql      string   // empty: the true one
	more     [][]byte // further rows of the schema
	change   func(page2 []byte)
}

const sqlitePage = 4096

const packagesSQL = "CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)"

func (d sqliteDB) bytes() []byte {
	root := d.root
	if root == 0 {
		root = 2
	}
	schema := append([][]byte{schemaRow(orElse(d.kind, "table"), "Packages", "Packages", root, orElse(d.sql, packagesSQL))}, d.more...)
	var rows [][]byte
	for _, r := range d.rows {
		rows = append(rows, sqliteRecord(nil, r))
	}
	one, two := make([]byte, sqlitePage), make([]byte, sqlitePage)
	sqliteLeaf(one, 100, schema)
	sqliteLeaf(two, 0, rows)
	if d.change != nil {
		d.change(two)
	}
	d.head(one)
	return append(one, two...)
}

// head writes the file's first hundred bytes (section 1.3).
func (d sqliteDB) head(page []byte) {
	be := binary.BigEndian
	copy(page, "SQLite format 3\x00")
	size, pages := d.pageSize, d.pages
	if size == 0 {
		size = sqlitePage
	}
	if pages == 0 {
		pages = 2
	}
	be.PutUint16(page[16:], size)
	copy(page[18:], []byte{1, 1, 0, 64, 32, 32}) // format versions, no reserved bytes, the fractions that are always these
	be.PutUint32(page[24:], 1)
	be.PutUint32(page[28:], pages)
	be.PutUint32(page[40:], 1)
	be.PutUint32(page[44:], 4) // schema format
	be.PutUint32(page[56:], 1) // UTF-8
	be.PutUint32(page[92:], 1) // the change that the page count belongs to
	be.PutUint32(page[96:], 3_040_000)
}

// sqliteLeaf fills a leaf of a table's tree (section 1.6): cells from the page's end downwards.
func sqliteLeaf(page []byte, head int, rows [][]byte) {
	be := binary.BigEndian
	page[head] = 0x0d
	end := len(page)
	for i, r := range rows {
		cell := append(sqliteVarint(uint64(len(r))), sqliteVarint(uint64(i+1))...)
		cell = append(cell, r...)
		end -= len(cell)
		copy(page[end:], cell)
		be.PutUint16(page[head+8+2*i:], uint16(end))
	}
	be.PutUint16(page[head+3:], uint16(len(rows)))
	be.PutUint16(page[head+5:], uint16(end))
}

// schemaRow is a row of sqlite_schema: type, name, table, root page, SQL.
func schemaRow(kind, name, table string, root byte, sql string) []byte {
	return sqliteRecord(kind, name, table, root, sql)
}

// sqliteRecord is a row (section 2.1) of NULL, one-byte integers, texts and blobs.
func sqliteRecord(values ...any) []byte {
	var types, body []byte
	for _, v := range values {
		switch v := v.(type) {
		case nil:
			types = append(types, 0)
		case byte:
			types, body = append(types, 1), append(body, v)
		case string:
			types, body = append(types, sqliteVarint(uint64(13+2*len(v)))...), append(body, v...)
		case []byte:
			types, body = append(types, sqliteVarint(uint64(12+2*len(v)))...), append(body, v...)
		default:
			panic(fmt.Sprintf("imagetest: no column of %T", v))
		}
	}
	return append(append(sqliteVarint(uint64(len(types)+1)), types...), body...)
}

// sqliteVarint is big endian with 7 bits a byte; nine bytes for what needs more than 56 bits.
func sqliteVarint(v uint64) []byte {
	if v >= 1<<56 {
		b := make([]byte, 9)
		b[8] = byte(v)
		v >>= 8
		for i := 7; i >= 0; i-- {
			b[i], v = byte(v&0x7f)|0x80, v>>7
		}
		return b
	}
	b := []byte{byte(v & 0x7f)}
	for v >>= 7; v > 0; v >>= 7 {
		b = append([]byte{byte(v&0x7f) | 0x80}, b...)
	}
	return b
}

// hostileSQLite are H38 with rpm's newest database.
func hostileSQLite() []Case {
	rows := [][]byte{rpmHeader{}.bytes()}
	db := func(name, want string, d sqliteDB) Case {
		if d.rows == nil {
			d.rows = rows
		}
		return rpmCase("sqlite "+name, want, rpmSQLite, d.bytes())
	}
	whole := sqliteDB{rows: rows}.bytes()
	trigger := schemaRow("trigger", "t", "Packages", 0, "CREATE TRIGGER t AFTER INSERT ON Packages BEGIN SELECT load_extension('/tmp/x'); END")
	view := schemaRow("view", "v", "v", 0, "CREATE VIEW v AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT x FROM c")
	return []Case{
		db("honest", WantOK, sqliteDB{}).holds(bashHeld),
		db("with a trigger and an endless view", WantOK, sqliteDB{more: [][]byte{trigger, view}}).holds(bashHeld),
		db("with four billion pages", WantOKPartial, sqliteDB{pages: 1<<32 - 1}),
		db("with pages of 0 bytes", WantPartial, sqliteDB{pageSize: 3}),
		db("with pages of 64 KiB", WantPartial, sqliteDB{pageSize: 1}),
		db("with Packages as a view", WantPartial, sqliteDB{kind: "view", sql: "CREATE VIEW Packages AS SELECT 1, zeroblob(1000000000)"}),
		db("with a generated table", WantPartial, sqliteDB{sql: "CREATE VIRTUAL TABLE Packages USING fts5(x)"}),
		db("with a table on its schema's page", WantPartial, sqliteDB{root: 1}),
		db("with a table beyond the file", WantPartial, sqliteDB{root: 0x7f}),
		db("with an inner page that names itself", WantPartial, sqliteDB{change: innerLoop}),
		db("with overflow pages in a loop", WantPartial, sqliteDB{change: overflowLoop}),
		db("with a row of 2^62 bytes", WantPartial, sqliteDB{change: giantRow}),
		db("with 65,535 cells", WantPartial, sqliteDB{change: func(p []byte) { copy(p[3:], "\xff\xff") }}),
		db("with cells outside the page", WantPartial, sqliteDB{change: func(p []byte) { copy(p[8:], "\xff\xff") }}),
		rpmCase("sqlite cut in the table", WantPartial, rpmSQLite, whole[:sqlitePage+100]),
		rpmCase("sqlite cut in the schema", WantPartial, rpmSQLite, whole[:600]),
		rpmCase("sqlite magic alone", WantPartial, rpmSQLite, whole[:16]),
	}
}

// innerLoop makes the table's root an inner page whose only child is itself.
func innerLoop(page []byte) {
	clear(page)
	page[0] = 0x05
	binary.BigEndian.PutUint32(page[8:], 2)
}

// overflowLoop gives the first row 60,000 bytes, of which the rest stands in the table's own page, again and again.
func overflowLoop(page []byte) {
	clear(page)
	cell := append(sqliteVarint(60_000), 1)
	page[0] = 0x0d
	at := 8 + 2
	binary.BigEndian.PutUint16(page[3:], 1)
	binary.BigEndian.PutUint16(page[8:], uint16(at))
	copy(page[at:], cell)
	for i := at + len(cell); i+4 <= len(page); i += 4 {
		binary.BigEndian.PutUint32(page[i:], 2)
	}
}

func giantRow(page []byte) {
	at := binary.BigEndian.Uint16(page[8:])
	copy(page[at:], sqliteVarint(1<<62))
}
