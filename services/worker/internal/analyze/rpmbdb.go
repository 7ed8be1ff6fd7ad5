package analyze

import (
	"context"
	"encoding/binary"
)

// Berkeley DB's hash format, version 8 to 10, as rpm used it until 4.16 (Berkeley DB, dbinc/db_page.h and hash.h).
const (
	bdbMagic    = 0x00061561
	bdbPageHead = 26 // bytes before a page's item offsets

	bdbHashUnsorted = 2 // page types
	bdbOverflow     = 7
	bdbHash         = 13

	bdbKeyData = 1 // item types
	bdbOffPage = 3
)

// bdb is a database in memory.
type bdb struct {
	data  []byte
	size  int // of a page
	order binary.ByteOrder
	used  []bool // overflow pages read: each belongs to one value
}

func isBDB(b []byte) bool { _, ok := openBDB(b); return ok }

func openBDB(b []byte) (*bdb, bool) {
	if len(b) < 512 {
		return nil, false
	}
	var order binary.ByteOrder
	switch uint32(bdbMagic) {
	case binary.LittleEndian.Uint32(b[12:]):
		order = binary.LittleEndian
	case binary.BigEndian.Uint32(b[12:]):
		order = binary.BigEndian
	default:
		return nil, false
	}
	size := int(order.Uint32(b[20:]))
	if size < 512 || size > 64<<10 || size&(size-1) != 0 {
		return nil, false
	}
	return &bdb{data: b, size: size, order: order, used: make([]bool, len(b)/size)}, true
}

// page is page n, nil when the file has none.
func (d *bdb) page(n int) []byte {
	if n < 0 || n >= len(d.used) {
		return nil
	}
	return d.data[n*d.size:][:d.size]
}

// bdbHeaders calls do with each value of the database but the one that counts its keys.
func bdbHeaders(ctx context.Context, b []byte, do func(header []byte) error) error {
	d, ok := openBDB(b)
	if !ok {
		return errDatabase
	}
	fault := error(nil)
	for n := 1; n < len(d.used); n++ {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p := d.page(n)
		if kind := p[25]; kind != bdbHash && kind != bdbHashUnsorted {
			continue
		}
		if err := d.values(p, do); err == errDatabase {
			fault = err // other pages are still of use
		} else if err != nil {
			return err
		}
	}
	if last := int(d.order.Uint32(b[32:])); last >= len(d.used) {
		return errDatabase // the file is cut short
	}
	return fault
}

// values goes through one hash page: its items are keys and values in turn.
func (d *bdb) values(p []byte, do func([]byte) error) error {
	items := int(d.order.Uint16(p[20:]))
	if bdbPageHead+2*items > len(p) {
		return errDatabase
	}
	end := len(p) // items are laid from the page's end downwards
	for i := range items {
		at := int(d.order.Uint16(p[bdbPageHead+2*i:]))
		if at < bdbPageHead || at >= end {
			return errDatabase
		}
		item := p[at:end]
		end = at
		if i%2 == 0 {
			continue
		}
		v, err := d.value(item)
		if err != nil {
			return err
		}
		if len(v) <= 4 {
			continue // rpm's record of the last number given
		}
		if err := do(v); err != nil {
			return err
		}
	}
	return nil
}

// value is an item's data: in the page itself, or in a chain of overflow pages.
func (d *bdb) value(item []byte) ([]byte, error) {
	switch {
	case item[0] == bdbKeyData:
		return item[1:], nil
	case item[0] != bdbOffPage || len(item) < 12:
		return nil, errDatabase
	}
	next, total := int(d.order.Uint32(item[4:])), int(d.order.Uint32(item[8:]))
	if total > len(d.data) {
		return nil, errDatabase
	}
	v := make([]byte, 0, min(total, 64<<10)) // what an item claims is not believed
	for next != 0 {
		p := d.page(next)
		if p == nil || p[25] != bdbOverflow || d.used[next] {
			return nil, errDatabase
		}
		d.used[next] = true
		n := int(d.order.Uint16(p[22:])) // of an overflow page: the bytes it holds
		if bdbPageHead+n > len(p) || len(v)+n > total {
			return nil, errDatabase
		}
		v = append(v, p[bdbPageHead:bdbPageHead+n]...)
		next = int(d.order.Uint32(p[16:]))
	}
	if len(v) != total {
		return nil, errDatabase
	}
	return v, nil
}
