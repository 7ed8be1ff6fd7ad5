package imagetest

import (
	"encoding/binary"
	"hash/crc32"
)

// zipMember is one member of an archive with any field as wanted (PKWARE's APPNOTE, sections 4.3.7 and 4.3.12). Its checksum and
// sizes are those of body unless said.
type zipMember struct {
	name   string
	body   []byte // as stored
	plain  []byte // what body inflates to, where method says that it is deflated
	method uint16
	flags  uint16
	size   uint32 // uncompressed, as claimed; 0: the true one
	extra  []byte
	at     int // offset of another member's local header that this one points to; -1: none, it has its own
}

const (
	zipStored   = 0
	zipDeflated = 8

	zipEncrypted = 1 // flag
)

// zipFile is an honest member without compression.
func zipFile(name, body string) zipMember {
	return zipMember{name: name, body: []byte(body), plain: []byte(body), at: -1}
}

// zipSqueezed is an honest deflated member.
func zipSqueezed(name string, body []byte) zipMember {
	return zipMember{name: name, body: lastBlock(deflated(body)), plain: body, method: zipDeflated, at: -1}
}

// lastBlock ends a deflate stream.
func lastBlock(b []byte) []byte { return append(b, 0x01, 0x00, 0x00, 0xff, 0xff) }

// zipArchive is an archive whose end record is honest.
func zipArchive(members ...zipMember) []byte {
	body, directory := zipParts(members)
	return append(append(body, directory...), zipEnd(len(members), len(directory), len(body))...)
}

// zipParts are an archive's members and its central directory.
func zipParts(members []zipMember) (body, directory []byte) {
	for _, m := range members {
		at := m.at
		if at < 0 {
			at = len(body)
			body = append(body, m.local()...)
		}
		directory = append(directory, m.central(at)...)
	}
	return body, directory
}

func (m zipMember) fields() []byte {
	size := m.size
	if size == 0 {
		size = uint32(len(m.plain))
	}
	le := binary.LittleEndian
	b := le.AppendUint16(nil, 20) // version needed: 2.0
	b = le.AppendUint16(b, m.flags)
	b = le.AppendUint16(b, m.method)
	b = append(b, 0, 0, 0x21, 0x58) // 2024-01-01 00:00
	b = le.AppendUint32(b, crc32.ChecksumIEEE(m.plain))
	b = le.AppendUint32(b, uint32(len(m.body)))
	b = le.AppendUint32(b, size)
	b = le.AppendUint16(b, uint16(len(m.name)))
	return le.AppendUint16(b, uint16(len(m.extra)))
}

func (m zipMember) local() []byte { return append(m.localHead(), m.body...) }

func (m zipMember) localHead() []byte {
	b := append([]byte("PK\x03\x04"), m.fields()...)
	return append(append(b, m.name...), m.extra...)
}

func (m zipMember) central(at int) []byte {
	b := append([]byte("PK\x01\x02\x14\x00"), m.fields()...)
	b = append(b, make([]byte, 10)...) // no comment, first disk, no attributes
	b = binary.LittleEndian.AppendUint32(b, uint32(at))
	return append(append(b, m.name...), m.extra...)
}

// zipEnd is the end record: so many members in a directory of so many bytes at an offset.
func zipEnd(members, size, at int) []byte {
	le := binary.LittleEndian
	b := append([]byte("PK\x05\x06"), 0, 0, 0, 0)
	b = le.AppendUint16(b, uint16(members))
	b = le.AppendUint16(b, uint16(members))
	b = le.AppendUint32(b, uint32(size))
	b = le.AppendUint32(b, uint32(at))
	return append(b, 0, 0)
}

// zip64End is the end record of large archives, its locator, and the plain one that defers to it (section 4.3.14).
func zip64End(members, size, at uint64, recordAt int) []byte {
	le := binary.LittleEndian
	b := append([]byte("PK\x06\x06"), 44, 0, 0, 0, 0, 0, 0, 0, 45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	for _, v := range []uint64{members, members, size, at} {
		b = le.AppendUint64(b, v)
	}
	b = append(b, "PK\x06\x07\x00\x00\x00\x00"...)
	b = le.AppendUint64(b, uint64(recordAt))
	b = append(b, 1, 0, 0, 0)
	return append(b, zipEnd(0xffff, 0xffffffff, 0xffffffff)...)
}

// zip64Sizes is the extra field that gives a member's sizes with 64 bits (section 4.5.3).
func zip64Sizes(uncompressed, compressed uint64) []byte {
	b := []byte{1, 0, 16, 0}
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(b, uncompressed), compressed)
}
