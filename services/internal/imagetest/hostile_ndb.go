package imagetest

import (
	"encoding/binary"
	"hash/adler32"
)

// ndb is a database of one page of slots (rpm, lib/backend/ndb/rpmpkg.c). Zero values are honest.
type ndb struct {
	slots  uint32 // pages of slots as claimed; 0: 1
	again  int    // how many further slots name the first blob
	length uint32 // of the first blob as claimed; 0: the true one
	at     uint32 // block of the first blob as claimed; 0: the true one
}

const (
	ndbPage  = 4096
	ndbBlock = 16
)

func (d ndb) bytes() []byte {
	le := binary.LittleEndian
	blob := ndbBlob(rpmHeader{}.bytes(), d.length)
	slots := d.slots
	if slots == 0 {
		slots = 1
	}
	at := d.at
	if at == 0 {
		at = ndbPage / ndbBlock
	}
	page := []byte("RpmP")
	for _, v := range []uint32{0, 1, slots, 2, 0, 0, 0} { // version, generation, pages of slots, next package
		page = le.AppendUint32(page, v)
	}
	for i := len(page) / ndbBlock; i < ndbPage/ndbBlock; i++ {
		page = append(page, "Slot"...)
		used := i-2 <= d.again
		for _, v := range []uint32{1, at, uint32(len(blob) / ndbBlock)} {
			if !used {
				v = 0
			}
			page = le.AppendUint32(page, v)
		}
	}
	return append(page, blob...)
}

// ndbBlob is a header in whole blocks, with its head and its checksum.
func ndbBlob(header []byte, length uint32) []byte {
	le := binary.LittleEndian
	if length == 0 {
		length = uint32(len(header))
	}
	b := []byte("BlbS")
	for _, v := range []uint32{1, 1, length} { // package, generation
		b = le.AppendUint32(b, v)
	}
	b = append(b, header...)
	b = append(b, make([]byte, (2*ndbBlock-(len(b)+12)%ndbBlock)%ndbBlock)...)
	sum := adler32.Checksum(b)
	b = le.AppendUint32(b, sum)
	b = le.AppendUint32(b, length)
	return append(b, "BlbE"...)
}

// hostileNDB are H38 with the database of SUSE.
func hostileNDB() []Case {
	db := func(name, want string, d ndb) Case { return rpmCase("ndb "+name, want, rpmNDB, d.bytes()) }
	whole := ndb{}.bytes()
	return []Case{
		db("honest", WantOK, ndb{}).holds(bashHeld),
		db("with four billion pages of slots", WantPartial, ndb{slots: 1<<32 - 1}),
		db("with every slot on one blob", WantOKPartial, ndb{again: 250}),
		db("with a blob of four gigabytes", WantPartial, ndb{length: 1<<32 - 1}),
		db("with a blob beyond the file", WantPartial, ndb{at: 1<<32 - 1}),
		rpmCase("ndb cut in the slots", WantPartial, rpmNDB, whole[:1000]),
		rpmCase("ndb cut in a blob", WantPartial, rpmNDB, whole[:ndbPage+32]),
		rpmCase("ndb of no known form", WantPartial, rpmNDB, []byte(repeat("no database", 5000))),
	}
}
