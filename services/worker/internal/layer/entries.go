package layer

import (
	"archive/tar"
	"cmp"
	"encoding/binary"
	"io"
	"strings"
)

// entries reads the entries of a tar just as archive/tar does, which container runtimes unpack layers with: a layer is read by
// us if and only if it is by them, and to the same tree. Headers that need one block alone, as nearly all do, it reads itself
// and in place; whatever is longer, older or odder it leaves to archive/tar, from the block where that begins.
type entries struct {
	s      *tarStream
	header Header
	left   int64 // of the content, in bytes
	pad    int64 // after it, up to the end of a block
	// odd reads what plain could not. It is nil but from such a header on to the next entry whose content stands in the tar as
	// it is: there we know again where we are.
	odd *tar.Reader
}

const tarBlock = 512

// next gives the next entry's header, io.EOF at the end of the tar.
func (r *entries) next() (*Header, error) {
	if r.odd == nil {
		if err := r.skip(); err != nil {
			return nil, err
		}
		if r.plain() {
			return &r.header, nil
		}
		r.odd = tar.NewReader(r.s)
	}
	h, err := r.odd.Next()
	if err != nil {
		return nil, err
	}
	r.header = headerOf(h)
	if !r.header.Sparse && h.Typeflag != tar.TypeXGlobalHeader {
		r.odd = nil
		r.expect()
	}
	return &r.header, nil
}

// expect sets what follows the header in the stream.
func (r *entries) expect() {
	r.left = 0
	if hasContent(r.header.Typeflag) {
		r.left = r.header.Size
	}
	r.pad = -r.left & (tarBlock - 1)
}

// skip goes to the end of the entry. A tar that ends within the padding ends there.
func (r *entries) skip() error {
	if n := r.s.skip(r.left); n < r.left {
		return r.cut()
	}
	if n := r.s.skip(r.pad); n < r.pad {
		return cmp.Or(r.s.err, io.EOF)
	}
	r.left, r.pad = 0, 0
	return nil
}

// cut is why the stream gave less than the header promised.
func (r *entries) cut() error { return cmp.Or(r.s.err, io.ErrUnexpectedEOF) }

// Read implements io.Reader over the content of the entry.
func (r *entries) Read(p []byte) (int, error) {
	if r.odd != nil {
		return r.odd.Read(p)
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	n, err := r.s.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	if err != nil {
		return n, r.cut()
	}
	return n, nil
}

// Fields of a header block (POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar, "Basic Tar Format").
var (
	fieldName     = field{0, 100}
	fieldMode     = field{100, 8}
	fieldUID      = field{108, 8}
	fieldGID      = field{116, 8}
	fieldSize     = field{124, 12}
	fieldMtime    = field{136, 12}
	fieldChecksum = field{148, 8}
	fieldLinkname = field{157, 100}
	fieldDevMajor = field{329, 8}
	fieldDevMinor = field{337, 8}
	fieldPrefix   = field{345, 155}
	fieldAfter    = field{500, 12}  // unused in both forms; STAR has its mark there
	fieldGNU      = field{345, 167} // what GNU has after the device numbers: times, and a map of sparse files
)

const (
	typeAt  = 156
	magicAt = 257
	ustar   = "ustar\x0000"
	gnu     = "ustar  \x00"
)

type field struct{ at, size int }

func (f field) of(b []byte) []byte { return b[f.at : f.at+f.size : f.at+f.size] }

// plain reads a header of the usual form and tells whether it was one; if not, nothing was consumed. The usual form is a block
// with a right checksum, octal numbers, one of the types that POSIX names, and nothing in the fields that only some archivers use.
func (r *entries) plain() bool {
	b := r.s.peek(tarBlock)
	if b == nil {
		return false
	}
	kind := b[typeAt]
	if kind < tar.TypeReg || kind > tar.TypeCont {
		return false
	}
	var dir string
	switch string(b[magicAt : magicAt+len(ustar)]) {
	case ustar:
		if !isZero(fieldAfter.of(b)) {
			return false
		}
		dir = text(fieldPrefix.of(b))
	case gnu:
		if !isZero(fieldGNU.of(b)) {
			return false
		}
	default:
		return false
	}
	mode, size, ok := numbers(b)
	if !ok {
		return false
	}
	name := text(fieldName.of(b))
	if dir != "" {
		name = dir + "/" + name
	}
	r.header = Header{Name: name, Linkname: text(fieldLinkname.of(b)), Typeflag: kind, Mode: mode, Size: size}
	r.s.skip(tarBlock)
	r.expect()
	return true
}

// numbers reads the mode and the size, and checks the fields that are not kept: a wrong one makes a wrong header. ok is false
// for headers that are wrong or of another form.
func numbers(b []byte) (mode, size int64, ok bool) {
	for _, f := range [...]field{fieldUID, fieldGID, fieldMtime, fieldDevMajor, fieldDevMinor} {
		if _, ok := octal(f.of(b)); !ok {
			return 0, 0, false
		}
	}
	sum, ok := octal(fieldChecksum.of(b))
	if !ok || sum != checksum(b) {
		return 0, 0, false
	}
	if mode, ok = octal(fieldMode.of(b)); !ok {
		return 0, 0, false
	}
	size, ok = octal(fieldSize.of(b))
	return mode, size, ok
}

// octal reads digits that only NUL bytes and spaces follow. An empty field is 0.
func octal(b []byte) (n int64, ok bool) {
	i := 0
	for i < len(b) && b[i]-'0' < 8 {
		n = n<<3 | int64(b[i]-'0')
		i++
	}
	for i < len(b) && (b[i] == 0 || b[i] == ' ') {
		i++
	}
	return n, i == len(b)
}

// text is what stands before the first NUL byte.
func text(b []byte) string {
	if len(b) > 0 && b[0] == 0 {
		return ""
	}
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// checksum is the sum of a header's bytes, those of the checksum itself taken for spaces. It adds eight bytes at a time, in four
// lanes of 16 bits: 64 words of at most 2 * 255 a lane do not overflow one.
func checksum(b []byte) int64 {
	const lanes = 0x00ff00ff00ff00ff
	var sum uint64
	for i := 0; i+8 <= tarBlock; i += 8 {
		word := binary.LittleEndian.Uint64(b[i:])
		sum += word&lanes + word>>8&lanes
	}
	total := int64(sum&0xffff + sum>>16&0xffff + sum>>32&0xffff + sum>>48)
	for _, c := range fieldChecksum.of(b) {
		total += ' ' - int64(c)
	}
	return total
}
