package analyze

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"iter"
	"slices"

	"github.com/klauspost/compress/flate"
)

// zipDirectory is the central directory of a zip archive that stands in memory (PKWARE, APPNOTE.TXT 4.3). It is walked in place:
// a fat jar has a hundred thousand members, and a few are of interest.
type zipDirectory struct {
	archive []byte
	at      int // of the first header
	base    int // what offsets count from: bytes may stand before the archive
	count   int // headers, as the archive's end says, modulo 65,536
	two     bool
}

// Signatures and sizes of zip records.
const (
	zipLocal, zipHeader, zipEnd         = "PK\x03\x04", "PK\x01\x02", "PK\x05\x06"
	zip64End, zip64Locator              = "PK\x06\x06", "PK\x06\x07"
	zipLocalSize, zipHeaderSize         = 30, 46
	zipEndSize, zip64LocatorSize        = 22, 20
	zip64EndSize                        = 56
	zipComment                          = 1<<16 - 1 // bytes of the longest comment, behind which the end record stands
	zipStored, zipDeflated              = 0, 8
	zipEncrypted                 uint16 = 1
	zip64Extra                          = 1
	zipMinimum                          = 30 // an archive with one member is longer: osv-scalibr's bound, kept
)

// Faults of archives.
var (
	errZip        = errors.New("no zip archive")
	errZipMember  = errors.New("broken member")
	errEncrypted  = errors.New("encrypted member")
	errMethod     = errors.New("unknown compression")
	errUnpackSize = errors.New("member is larger than it may be")
)

// zipMember is one header of the directory.
type zipMember struct {
	name             string
	flags, method    uint16
	sum              uint32
	packed, unpacked uint64
	offset           uint64 // of its local header, from zipDirectory.base
}

var le = binary.LittleEndian

// openZip finds the directory of an archive as archive/zip does: by the last end record, over zip64's where that defers to it.
func openZip(b []byte) (zipDirectory, error) {
	end, two := findZipEnd(b)
	if end < 0 {
		return zipDirectory{}, errZip
	}
	records, size, offset := uint64(le.Uint16(b[end+10:])), uint64(le.Uint32(b[end+12:])), uint64(le.Uint32(b[end+16:]))
	if records == 0xffff || size == 0xffffffff || offset == 0xffffffff {
		if at := findZip64End(b, end); at >= 0 {
			records, size, offset, end = le.Uint64(b[at+32:]), le.Uint64(b[at+40:]), le.Uint64(b[at+48:]), at
		}
	}
	all := uint64(len(b))
	if size > all || offset > all || size+offset > uint64(end) {
		return zipDirectory{}, errZip
	}
	d := zipDirectory{archive: b, at: end - int(size), count: int(records & 0xffff), two: two}
	d.base = d.at - int(offset)
	if d.base > 0 && startsWith(b[offset:], zipHeader) {
		d.base, d.at = 0, int(offset)
	}
	return d, nil
}

// findZipEnd gives the offset of the last end record, -1 when there is none. two tells that an earlier one claims the end of the
// file as well, by its comment's length: readers of archives differ on which they believe.
func findZipEnd(b []byte) (at int, two bool) {
	at = -1
	for _, i := range slices.Backward(zipEnds(b)) {
		behind := i + zipEndSize + int(le.Uint16(b[i+20:]))
		switch {
		case at < 0 && behind > len(b):
			return -1, false
		case at < 0:
			at = i
		case behind == len(b):
			return at, true
		}
	}
	return at, false
}

// zipEnds are the places where an end record may begin. Searching forward is what processors are quick at.
func zipEnds(b []byte) (all []int) {
	from := max(0, len(b)-zipEndSize-zipComment)
	for end := len(b) - zipEndSize + len(zipEnd); from < end; from++ {
		i := bytes.Index(b[from:end], []byte(zipEnd))
		if i < 0 {
			break
		}
		from += i
		all = append(all, from)
	}
	return all
}

func findZip64End(b []byte, end int) int {
	locator := end - zip64LocatorSize
	if locator < 0 || !startsWith(b[locator:], zip64Locator) {
		return -1
	}
	at := le.Uint64(b[locator+8:])
	if at > uint64(len(b)-zip64EndSize) || !startsWith(b[at:], zip64End) {
		return -1
	}
	return int(at)
}

func startsWith(b []byte, s string) bool { return len(b) >= len(s) && string(b[:len(s)]) == s }

// members walks the headers. The last value is errZip when they are not as many as the end record says.
func (d zipDirectory) members() iter.Seq2[zipMember, error] {
	return func(yield func(zipMember, error) bool) {
		b, n := d.archive[d.at:], 0
		for ; startsWith(b, zipHeader) && len(b) >= zipHeaderSize; n++ {
			name, extra := int(le.Uint16(b[28:])), int(le.Uint16(b[30:]))
			whole := zipHeaderSize + name + extra + int(le.Uint16(b[32:]))
			if whole > len(b) {
				break
			}
			m := zipMember{
				flags: le.Uint16(b[8:]), method: le.Uint16(b[10:]), sum: le.Uint32(b[16:]),
				packed: uint64(le.Uint32(b[20:])), unpacked: uint64(le.Uint32(b[24:])), offset: uint64(le.Uint32(b[42:])),
				name: string(b[zipHeaderSize : zipHeaderSize+name]),
			}
			m.wide(b[zipHeaderSize+name : zipHeaderSize+name+extra])
			if !yield(m, nil) {
				return
			}
			b = b[whole:]
		}
		if n&0xffff != d.count {
			yield(zipMember{}, errZip)
		}
	}
}

// wide takes sizes beyond 4 GiB from the extra field (APPNOTE.TXT 4.5.3).
func (m *zipMember) wide(extra []byte) {
	for len(extra) >= 4 {
		id, size := le.Uint16(extra), int(le.Uint16(extra[2:]))
		if extra = extra[4:]; size > len(extra) {
			return
		}
		if field := extra[:size]; id == zip64Extra {
			for _, v := range []*uint64{&m.unpacked, &m.packed, &m.offset} {
				if *v == 0xffffffff && len(field) >= 8 {
					*v, field = le.Uint64(field), field[8:]
				}
			}
		}
		extra = extra[size:]
	}
}

// content is what a member holds as stored: a part of the archive itself.
func (d zipDirectory) content(m *zipMember) ([]byte, error) {
	if m.flags&zipEncrypted != 0 {
		return nil, errEncrypted
	}
	all := uint64(len(d.archive))
	if m.offset > all || uint64(d.base)+m.offset+zipLocalSize > all {
		return nil, errZipMember
	}
	b := d.archive[uint64(d.base)+m.offset:]
	skip := zipLocalSize + int(le.Uint16(b[26:])) + int(le.Uint16(b[28:]))
	if !startsWith(b, zipLocal) || skip > len(b) || m.packed > uint64(len(b)-skip) {
		return nil, errZipMember
	}
	return b[skip : skip+int(m.packed)], nil
}

// unpacker inflates members, one at a time.
type unpacker struct {
	inflater io.ReadCloser
	spent    int64 // bytes given so far, inflated or not
	most     int64 // that may be given in all
}

// unpack gives a member's content, of at most most bytes, appended to into. What is stored as it is stays where it is: a part of
// the archive.
func (u *unpacker) unpack(d zipDirectory, m *zipMember, into []byte, most int64) ([]byte, error) {
	packed, err := d.content(m)
	switch {
	case err != nil:
		return nil, err
	case m.unpacked > uint64(most):
		return nil, errUnpackSize
	case m.method == zipStored && m.packed == m.unpacked:
		if u.spent += int64(len(packed)); u.spent > u.most {
			return nil, errUnpackSize
		}
		return checked(packed, m)
	case m.method != zipDeflated:
		return nil, errMethod
	}
	if need := int(m.unpacked); need >= cap(into) && need <= maxRatio*len(packed) {
		into = make([]byte, 0, need+1) // one more shows the end
	}
	return u.inflate(packed, m, into)
}

// maxRatio is deflate's: 258 bytes take two bits at the least (RFC 1951). A size that no data could inflate to is not believed.
const maxRatio = 1032

func (u *unpacker) inflate(packed []byte, m *zipMember, into []byte) ([]byte, error) {
	if u.inflater == nil {
		u.inflater = flate.NewReader(nil)
	}
	if err := u.inflater.(flate.Resetter).Reset(bytes.NewReader(packed), nil); err != nil { //nolint:forcetypeassert // flate documents it
		return nil, errZipMember
	}
	out, want := into[:0], int(m.unpacked)
	for len(out) <= want {
		out = grown(out, want+1)
		n, err := u.inflater.Read(out[len(out):min(cap(out), want+1)])
		out = out[:len(out)+n]
		if u.spent += int64(n); u.spent > u.most {
			return nil, errUnpackSize
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errZipMember
		}
	}
	return checked(out, m)
}

// grown makes room behind b, for up to want bytes in all.
func grown(b []byte, want int) []byte {
	if len(b) < cap(b) {
		return b
	}
	return append(make([]byte, 0, max(len(b)+1, min(2*cap(b)+4<<10, want))), b...)
}

func checked(b []byte, m *zipMember) ([]byte, error) {
	if uint64(len(b)) != m.unpacked || m.sum != 0 && crc32.ChecksumIEEE(b) != m.sum {
		return nil, errZipMember
	}
	return b, nil
}
