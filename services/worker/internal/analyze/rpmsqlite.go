package analyze

import (
	"context"
	"encoding/binary"
	"strings"
)

// The part of SQLite's file format (sqlite.org/fileformat2.html) that a table of blobs needs.
const (
	sqliteMagic    = "SQLite format 3\x00"
	sqliteFileHead = 100

	sqliteInterior = 0x05 // pages of a table's tree
	sqliteLeaf     = 0x0d
)

// sqlite is a database in memory.
type sqlite struct {
	ctx  context.Context //nolint:containedctx // lives as long as one call
	data []byte
	size int    // of a page
	room int    // of a page, without what extensions reserve
	used []bool // pages read: each has one place in one tree
}

// sqliteHeaders calls do with the blob of each row of the table Packages. It is a plain table or it is not read: no view,
// trigger or virtual table of an image is ever run.
func sqliteHeaders(ctx context.Context, b []byte, do func(header []byte) error) error {
	d, ok := openSQLite(ctx, b)
	if !ok {
		return errDatabase
	}
	root := 0
	err := d.table(1, func(row []byte) error {
		// Columns of the schema: type, name, table, root page, SQL.
		cols, ok := columns(row, 5)
		if !ok {
			return errDatabase
		}
		if string(cols[0].data) == "table" && string(cols[1].data) == "Packages" && strings.HasPrefix(string(cols[4].data), "CREATE TABLE") {
			root = int(cols[3].integer())
		}
		return nil
	})
	if err != nil {
		return err
	}
	if root <= 0 {
		return errDatabase
	}
	return d.table(root, func(row []byte) error {
		cols, ok := columns(row, 2) // number, blob
		if !ok || !cols[1].blob {
			return errDatabase
		}
		return do(cols[1].data)
	})
}

func openSQLite(ctx context.Context, b []byte) (*sqlite, bool) {
	if len(b) < 512 {
		return nil, false
	}
	size := int(binary.BigEndian.Uint16(b[16:]))
	if size == 1 {
		size = 64 << 10
	}
	if size < 512 || size&(size-1) != 0 {
		return nil, false
	}
	room := size - int(b[20])
	if room < 480 {
		return nil, false
	}
	return &sqlite{ctx: ctx, data: b, size: size, room: room, used: make([]bool, len(b)/size+1)}, true
}

// page takes page n, which counts from 1. A page has one place; a second visit is a loop.
func (d *sqlite) page(n int) ([]byte, error) {
	if err := d.ctx.Err(); err != nil {
		return nil, err
	}
	if n < 1 || n*d.size > len(d.data) || d.used[n] {
		return nil, errDatabase
	}
	d.used[n] = true
	return d.data[(n-1)*d.size : n*d.size], nil
}

// table calls do with the payload of each row of the tree at root. The tree is walked with a list of pages to do, so its depth
// costs no stack.
func (d *sqlite) table(root int, do func(row []byte) error) error {
	for todo := []int{root}; len(todo) > 0; {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		p, err := d.page(n)
		if err != nil {
			return err
		}
		head := 0
		if n == 1 {
			head = sqliteFileHead
		}
		switch p[head] {
		case sqliteInterior:
			children, err := d.children(p, head)
			if err != nil {
				return err
			}
			todo = append(todo, children...)
		case sqliteLeaf:
			if err := d.rows(p, head, do); err != nil {
				return err
			}
		default:
			return errDatabase
		}
	}
	return nil
}

// cells gives the offsets of a page's cells, which follow its head of so many bytes.
func (d *sqlite) cells(p []byte, head, bytes int) ([]int, error) {
	n := int(binary.BigEndian.Uint16(p[head+3:]))
	if head+bytes+2*n > d.room {
		return nil, errDatabase
	}
	at := make([]int, n)
	for i := range at {
		at[i] = int(binary.BigEndian.Uint16(p[head+bytes+2*i:]))
		if at[i] < head+bytes || at[i]+4 > d.room {
			return nil, errDatabase
		}
	}
	return at, nil
}

// children are the pages below an interior page, last first so that the list of pages to do gives them in order.
func (d *sqlite) children(p []byte, head int) ([]int, error) {
	cells, err := d.cells(p, head, 12)
	if err != nil {
		return nil, err
	}
	pages := []int{int(binary.BigEndian.Uint32(p[head+8:]))}
	for i := len(cells) - 1; i >= 0; i-- {
		pages = append(pages, int(binary.BigEndian.Uint32(p[cells[i]:])))
	}
	return pages, nil
}

func (d *sqlite) rows(p []byte, head int, do func([]byte) error) error {
	cells, err := d.cells(p, head, 8)
	if err != nil {
		return err
	}
	for _, at := range cells {
		row, err := d.payload(p[at:d.room])
		if err != nil {
			return err
		}
		if err := do(row); err != nil {
			return err
		}
	}
	return nil
}

// payload is the content of a leaf's cell: its length, the row's number, and as much as fits; the rest stands in a chain of
// overflow pages ("Cell Payload Overflow Pages").
func (d *sqlite) payload(cell []byte) ([]byte, error) {
	length, used := varint(cell)
	_, used2 := varint(cell[used:])
	if used == 0 || used2 == 0 || length > uint64(len(d.data)) {
		return nil, errDatabase
	}
	cell, total := cell[used+used2:], int(length)
	local := total
	if most := d.room - 35; total > most {
		least := (d.room-12)*32/255 - 23
		if local = least + (total-least)%(d.room-4); local > most {
			local = least
		}
	}
	if local == total {
		if total > len(cell) {
			return nil, errDatabase
		}
		return cell[:total], nil
	}
	if local+4 > len(cell) {
		return nil, errDatabase
	}
	row := append(make([]byte, 0, min(total, 64<<10)), cell[:local]...)
	for next := int(binary.BigEndian.Uint32(cell[local:])); len(row) < total; {
		p, err := d.page(next)
		if err != nil {
			return nil, err
		}
		row = append(row, p[4:min(d.room, 4+total-len(row))]...)
		next = int(binary.BigEndian.Uint32(p))
	}
	return row, nil
}

// column is one value of a row.
type column struct {
	data []byte
	blob bool
	int  bool
	one  bool // the integer 1, which takes no bytes
}

// integer is the value of an integer column, at most 8 bytes, big endian.
func (c column) integer() int64 {
	if !c.int {
		return 0
	}
	if len(c.data) == 0 && c.one {
		return 1
	}
	v := int64(0)
	for i, b := range c.data {
		if i == 0 {
			v = int64(int8(b))
			continue
		}
		v = v<<8 | int64(b)
	}
	return v
}

// columns cuts a row into its first n values ("Record Format").
func columns(row []byte, n int) ([]column, bool) {
	head, used := varint(row)
	if used == 0 || head > uint64(len(row)) {
		return nil, false
	}
	types, body := row[used:max(int(head), used)], row[head:]
	out := make([]column, 0, n)
	for len(out) < n {
		kind, used := varint(types)
		if used == 0 {
			return nil, false
		}
		types = types[used:]
		c := column{blob: kind >= 12 && kind%2 == 0, int: kind >= 1 && kind <= 6 || kind == 8 || kind == 9, one: kind == 9}
		size := columnSize(kind)
		if size > uint64(len(body)) {
			return nil, false
		}
		c.data, body = body[:size], body[size:]
		out = append(out, c)
	}
	return out, true
}

// columnSize is how many bytes a value of a serial type takes.
func columnSize(kind uint64) uint64 {
	switch {
	case kind >= 12:
		return (kind - 12) / 2
	case kind >= 10:
		return 1 << 62 // reserved; no row has it
	}
	return [...]uint64{0, 1, 2, 3, 4, 6, 8, 8, 0, 0}[kind]
}

// varint is SQLite's: big endian, 7 bits a byte, 8 in the ninth. used is 0 when b is too short.
func varint(b []byte) (v uint64, used int) {
	for i := 0; i < len(b) && i < 9; i++ {
		if i == 8 {
			return v<<8 | uint64(b[i]), 9
		}
		v = v<<7 | uint64(b[i]&0x7f)
		if b[i]&0x80 == 0 {
			return v, i + 1
		}
	}
	return 0, 0
}
