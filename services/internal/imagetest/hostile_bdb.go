package imagetest

import "encoding/binary"

// bdb is a hash database of Berkeley DB with one hash page and one overflow page (Berkeley DB, dbinc/db_page.h). Zero values are
// honest.
type bdb struct {
	order    binary.ByteOrder // nil: little endian
	pageSize uint32           // as claimed; 0: the true one, 4096
	last     uint32           // last page as claimed; 0: the true one
	items    uint16           // of the hash page as claimed; 0: the true number
	total    uint32           // bytes of the value as claimed; 0: the true number
	next     uint32           // page after the overflow page; 0: none
}

const bdbPage = 4096

func (d bdb) bytes() []byte {
	if d.order == nil {
		d.order = binary.LittleEndian
	}
	header := rpmHeader{}.bytes()
	meta, hash, overflow := make([]byte, bdbPage), make([]byte, bdbPage), make([]byte, bdbPage)
	d.meta(meta)
	d.hash(hash, len(header))
	d.order.PutUint32(overflow[8:], 2)
	d.order.PutUint32(overflow[16:], d.next)
	d.order.PutUint16(overflow[22:], uint16(len(header)))
	overflow[25] = 7 // an overflow page
	copy(overflow[26:], header)
	return append(append(meta, hash...), overflow...)
}

func (d bdb) meta(page []byte) {
	size, last := d.pageSize, d.last
	if size == 0 {
		size = bdbPage
	}
	if last == 0 {
		last = 2
	}
	d.order.PutUint32(page[12:], 0x00061561)
	d.order.PutUint32(page[16:], 9) // version
	d.order.PutUint32(page[20:], size)
	page[25] = 8 // the page that describes a hash
	d.order.PutUint32(page[32:], last)
}

// hash is a page of one key and one value, which stands on the overflow page.
func (d bdb) hash(page []byte, length int) {
	items, total := d.items, d.total
	if items == 0 {
		items = 2
	}
	if total == 0 {
		total = uint32(length)
	}
	d.order.PutUint32(page[8:], 1)
	d.order.PutUint16(page[20:], items)
	page[25] = 13 // a hash page
	key, value := bdbPage-5, bdbPage-5-12
	d.order.PutUint16(page[26:], uint16(key))
	d.order.PutUint16(page[28:], uint16(value))
	page[key] = 1 // key or data in place
	d.order.PutUint32(page[key+1:], 1)
	page[value] = 3 // off the page
	d.order.PutUint32(page[value+4:], 2)
	d.order.PutUint32(page[value+8:], total)
}

// mixed is big endian where its first page says so, and little endian after it.
func (d bdb) mixed() []byte {
	b := d.bytes()
	d.order = binary.BigEndian
	clear(b[:bdbPage])
	d.meta(b[:bdbPage])
	return b
}

// hostileBDB are H38 with rpm's oldest database.
func hostileBDB() []Case {
	db := func(name, want string, d bdb) Case { return rpmCase("bdb "+name, want, rpmBDB, d.bytes()) }
	return []Case{
		db("honest", WantOK, bdb{}).holds(bashHeld),
		db("big endian", WantOK, bdb{order: binary.BigEndian}).holds(bashHeld),
		rpmCase("bdb of two byte orders", WantPartial, rpmBDB, bdb{}.mixed()),
		db("with overflow pages in a loop", WantPartial, bdb{next: 2}),
		db("with a value of four gigabytes", WantPartial, bdb{total: 1<<32 - 1}),
		db("with 65,535 items", WantPartial, bdb{items: 1<<16 - 1}),
		db("with four billion pages", WantPartial, bdb{last: 1<<32 - 1}),
		db("with pages of 64 KiB", WantPartial, bdb{pageSize: 64 << 10}),
		db("with pages of 2 GiB", WantPartial, bdb{pageSize: 1 << 31}),
		rpmCase("bdb cut", WantPartial, rpmBDB, bdb{}.bytes()[:2*bdbPage]),
	}
}
