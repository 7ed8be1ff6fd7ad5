package imagetest

import (
	"archive/tar"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
)

// The outcomes that a reader of a hostile layer owes. Whatever it is, the reader lives, its memory stays bounded, and what
// was not read is said.
const (
	WantOK        = "ok"         // handled like any other
	WantPartial   = "partial"    // read as far as it goes, with a reason
	WantOKPartial = "ok|partial" // either
	WantRefused   = "refused"    // the layer is refused, or partial with nothing read
)

// Case is one hostile layer.
type Case struct {
	Name string // begins with the row of the catalogue of hostile inputs: "H5 self loop"
	Want string
	// Below is an honest layer's tar under it, where the case needs one; nil otherwise.
	Below     []byte
	Layer     []byte // as a registry would store it
	MediaType string // what its manifest claims
}

const (
	gzipType  = "application/vnd.oci.image.layer.v1.tar+gzip"
	zstdType  = "application/vnd.oci.image.layer.v1.tar+zstd"
	plainType = "application/vnd.oci.image.layer.v1.tar"
)

// Marker is a file that most cases hold beside their trap, so that a test can see whether reading went on: its path and body.
const Marker, MarkerBody = "etc/marker", "still here\n"

func marker() File { return Text(Marker, MarkerBody) }

func tarCase(name, want string, files ...File) Case {
	return Case{Name: name, Want: want, Layer: Layer(append(files, marker())...), MediaType: plainType}
}

func rawCase(name, want, mediaType string, layer []byte) Case {
	return Case{Name: name, Want: want, Layer: layer, MediaType: mediaType}
}

// over puts a case on a layer below.
func (c Case) over(files ...File) Case {
	c.Below = Layer(files...)
	return c
}

// Hostile makes the layers of rows H1 to H18 in small form: sizes that a unit test can afford, with the same shape as the
// large ones. It takes some hundred milliseconds.
func Hostile() []Case {
	var out []Case
	for _, group := range []func() []Case{hostileNames, hostileLinks, hostileWhiteouts, hostileEntries, hostileHeaders, hostileEnds, hostileCounts, hostileGzip, hostileZstd} {
		out = append(out, group()...)
	}
	return out
}

// hostileNames are H1 to H3.
func hostileNames() []Case {
	nul := Raw(append(PAX("path", "etc/pa\x00ss"), Header{Name: "etc/pass"}.Block()...))
	return []Case{
		tarCase("H1 parent path", WantOKPartial, Text("../../etc/passwd", "root::0:0::/:/bin/sh\n")),
		tarCase("H1 parent path inside", WantOKPartial, Text("a/../../../etc/passwd", "x")),
		tarCase("H1 absolute path", WantOK, Text("/etc/passwd", "x")),
		tarCase("H1 drive letter", WantOK, Text(`C:\Windows\win.ini`, "x")),
		tarCase("H1 NUL in name", WantOK, Raw(Header{Name: "etc/pass\x00wd"}.Block())),
		tarCase("H1 NUL in PAX path", WantPartial, nul),
		tarCase("H1 dots and slashes", WantOK, Text("a//b/./../c", "x")),
		tarCase("H2 symlink with parent name", WantOKPartial, Symlink("../../x", "/etc/passwd")),
		tarCase("H3 symlink named dot", WantPartial, Symlink(".", "/tmp")),
		tarCase("H3 symlink named slash", WantPartial, Symlink("/", "/tmp")),
	}
}

// hostileLinks are H4 to H7.
func hostileLinks() []Case {
	return []Case{
		tarCase("H4 file through a lower symlink", WantOK, Text("a/shadow", "x")).over(Dir("etc"), Symlink("a", "/etc")),
		tarCase("H4 symlink out of the root", WantOK, Symlink("out", "../../../../etc"), Text("out/shadow", "x")),
		tarCase("H5 chain of 1000", WantOK, chain(1000)...),
		tarCase("H5 self loop", WantOK, Symlink("etc/os-release", "os-release")),
		tarCase("H5 mutual loop", WantOK, Symlink("a", "b"), Symlink("b", "a"), Text("a/file", "x")),
		tarCase("H6 hardlink to missing", WantPartial, Hardlink("etc/passwd", "nowhere")),
		tarCase("H6 hardlink to later", WantOKPartial, Hardlink("first", "second"), Text("second", "x")),
		tarCase("H6 hardlink to a folder", WantPartial, Dir("d"), Hardlink("h", "d")),
		tarCase("H6 hardlink across layers", WantOKPartial, Hardlink("etc/copy", "etc/below")).over(Dir("etc"), Text("etc/below", "x")),
		tarCase("H6 hardlink to itself", WantPartial, Hardlink("self", "self")),
		tarCase("H6 hardlink with parent target", WantPartial, Hardlink("shadow", "../../etc/shadow")),
		tarCase("H7 folder becomes a symlink", WantOK, Dir("opt"), Text("opt/old", "x"), Symlink("opt", "etc")),
		tarCase("H7 lower folder becomes a symlink", WantOK, Symlink("opt", "srv")).over(Dir("srv"), Dir("opt"), Text("opt/old", "x")),
		tarCase("H7 lower folder becomes a file", WantOK, Text("opt", "x")).over(Dir("opt"), Text("opt/old", "x")),
		tarCase("H7 lower file becomes a folder", WantOK, Dir("opt"), Text("opt/new", "x")).over(Text("opt", "x")),
	}
}

func chain(n int) (files []File) {
	for i := range n {
		files = append(files, Symlink(fmt.Sprintf("c%d", i), fmt.Sprintf("c%d", i+1)))
	}
	return files
}

// hostileWhiteouts are H8.
func hostileWhiteouts() []Case {
	below := []File{Dir("d"), Text("d/a", "1"), Text("d/b", "1"), Dir("real"), Text("real/x", "1"), Symlink("link", "real")}
	cases := []Case{
		tarCase("H8 whiteout of a file", WantOK, Whiteout("d/a")),
		tarCase("H8 opaque before siblings", WantOK, Dir("d"), Opaque("d"), Text("d/new", "2")),
		tarCase("H8 opaque after siblings", WantOK, Dir("d"), Text("d/new", "2"), Opaque("d")),
		tarCase("H8 whiteout without a name", WantPartial, Text(".wh.", "")),
		tarCase("H8 whiteout of a parent that is added again", WantOK, Whiteout("d"), Dir("d"), Text("d/again", "2")),
		tarCase("H8 parent added, then whited out", WantOK, Dir("d"), Text("d/again", "2"), Whiteout("d")),
		tarCase("H8 whiteout inside a symlinked folder", WantOK, Whiteout("link/x")),
		tarCase("H8 whiteout of what is not there", WantOK, Whiteout("nothing/here")),
		tarCase("H8 whiteout of a parent path", WantOKPartial, Text("d/.wh...", "")),
		tarCase("H8 opaque on the root", WantOK, Opaque(".")),
		tarCase("H8 whiteout with a body", WantOKPartial, Text("d/.wh.b", "not empty")),
	}
	for i := range cases {
		cases[i] = cases[i].over(below...)
	}
	return cases
}

// hostileEntries are H9 and H10.
func hostileEntries() []Case {
	libc := Package{Name: "libc6", Version: "2.36-9"}
	newer := Package{Name: "libc6", Version: "2.36-10"}
	return []Case{
		tarCase("H9 duplicate path", WantOK, Text("etc/motd", "first"), Text("etc/motd", "last")),
		tarCase("H9 dpkg status twice", WantOK, append(DebianLike("12", libc), Text("var/lib/dpkg/status", DpkgStanza(newer)))...),
		tarCase("H9 file, folder, file", WantOK, Text("x", "1"), Dir("x"), Text("x/y", "2"), Text("x", "3")),
		tarCase("H10 devices", WantOK, Device("dev/null", 1, 3), File{Name: "dev/sda", Type: tar.TypeBlock, Major: 8}, File{Name: "run/pipe", Type: tar.TypeFifo}),
		tarCase("H10 unknown type", WantOKPartial, Raw(Header{Name: "odd", Type: 'Z'}.Block())),
		tarCase("H10 contiguous file", WantOK, Raw(Header{Name: "cont", Type: tar.TypeCont}.Block())),
		tarCase("H10 device in place of a database", WantOKPartial, Device("var/lib/dpkg/status", 1, 5)),
	}
}

// hostileHeaders are H11 and H12.
func hostileHeaders() []Case {
	const regions = 200_000 // the attack has millions; the shape is the same
	sparse := append(PAX("GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.name", "sparse", "GNU.sparse.realsize", "1000000000"), sparseFile(regions)...)
	large := append(PAX("comment", strings.Repeat("A", 3<<19)), Header{Name: "after"}.Block()...)
	lie := func(size string) File { return Raw(Header{Name: "lie", Size: size}.Block()) }
	return []Case{
		tarCase("H11 sparse map of many regions", WantPartial, Raw(sparse)),
		tarCase("H11 PAX header of 1.5 MiB", WantPartial, Raw(large)),
		tarCase("H11 PAX length that lies", WantPartial, Raw(paxLie())),
		tarCase("H11 PAX size that lies", WantPartial, Raw(append(PAX("size", "99999999999"), Header{Name: "lie"}.Block()...))),
		tarCase("H11 long name of 2 MiB", WantPartial, Raw(longName(2<<20))),
		tarCase("H12 larger than the stream", WantPartial, lie(Octal(1<<32))),
		tarCase("H12 size 2^63-1", WantPartial, lie(Base256(1<<63-1))),
		tarCase("H12 negative size", WantPartial, lie(Base256(-1))),
		tarCase("H12 size that is no number", WantPartial, lie("zzzzzzzzzzz\x00")),
	}
}

// sparseFile is the data part of GNU sparse 1.0: the number of regions, then offset and length of each, in decimal lines.
func sparseFile(regions int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d\n", regions)
	for i := range regions {
		fmt.Fprintf(&b, "%d\n0\n", i)
	}
	body := padded(b.Bytes())
	return append(Header{Name: "GNUSparseFile.0/sparse", Size: Octal(int64(len(body)))}.Block(), body...)
}

func paxLie() []byte {
	body := []byte("999999 path=x\n")
	return append(Header{Name: "x", Type: tar.TypeXHeader, Size: Octal(int64(len(body)))}.Block(), padded(body)...)
}

func longName(n int) []byte {
	body := padded(append(bytes.Repeat([]byte("n"), n), 0))
	head := Header{Name: "././@LongLink", Type: tar.TypeGNULongName, Size: Octal(int64(n + 1)), Magic: "ustar  \x00"}.Block()
	return append(append(head, body...), Header{Name: "n", Magic: "ustar  \x00"}.Block()...)
}

// hostileEnds are H13.
func hostileEnds() []Case {
	files := []File{marker(), Text("etc/second", strings.Repeat("x", 3*blockSize))}
	whole := Layer(files...)
	return []Case{
		rawCase("H13 no end marker", WantOKPartial, plainType, Entries(files...)),
		rawCase("H13 garbage after the end", WantOKPartial, plainType, append(Layer(files...), bytes.Repeat([]byte("junk"), 1000)...)),
		rawCase("H13 cut in a header", WantPartial, plainType, whole[:2*blockSize+100]),
		rawCase("H13 cut in a body", WantPartial, plainType, whole[:4*blockSize]),
		rawCase("H13 gzip cut", WantPartial, gzipType, cutBytes(gzipped(whole))),
		rawCase("H13 zstd cut", WantPartial, zstdType, cutBytes(zstdded(whole))),
		rawCase("H13 empty", WantOKPartial, gzipType, nil),
		rawCase("H13 not a tar", WantPartial, plainType, bytes.Repeat([]byte("<html>"), 500)),
	}
}

func cutBytes(b []byte) []byte { return b[:len(b)*2/3] }

// hostileCounts are H14 and H15.
func hostileCounts() []Case {
	const files, flat, deep = 10_000, 5_000, 4000
	many := make([]File, files)
	for i := range many {
		many[i] = File{Name: fmt.Sprintf("m/%03d/%d", i%997, i)}
	}
	one := make([]File, flat)
	for i := range one {
		one[i] = File{Name: fmt.Sprintf("one/%x", (i*7919)%flat)} // each name once, in no order
	}
	return []Case{
		rawCase("H14 many empty files", WantOK, gzipType, gzipped(Layer(append(many, marker())...))),
		tarCase("H15 path of 4000 components", WantOKPartial, Text(strings.Repeat("d/", deep)+"f", "x")),
		rawCase("H15 many files in one folder", WantOK, gzipType, gzipped(Layer(append(one, marker())...))),
	}
}

// bombSize inflates past the point where the ratio begins to count.
const bombSize = 72 << 20

// hostileGzip are H16 and H18.
func hostileGzip() []Case {
	honest := Layer(marker())
	half := len(honest) / 2
	members := bytes.Repeat(gzipped(nil), 20_000)
	return []Case{
		rawCase("H16 gzip bomb", WantPartial, gzipType, gzipBomb()),
		rawCase("H18 two members", WantOK, gzipType, append(gzipped(honest[:half]), gzipped(honest[half:])...)),
		rawCase("H18 many empty members", WantOKPartial, gzipType, append(members, gzipped(honest)...)),
		rawCase("H18 long header fields", WantOKPartial, gzipType, gzipFields(honest)),
		rawCase("H18 junk after the member", WantOKPartial, gzipType, append(gzipped(honest), "junk that is no member"...)),
		rawCase("H18 checksum wrong", WantPartial, gzipType, flipLast(gzipped(honest))),
	}
}

// bombHead is what stands before the zeros: the marker and the header of a file of bombSize zeros.
func bombHead() []byte {
	return append(Entries(marker()), Header{Name: "zeros", Size: Octal(bombSize)}.Block()...)
}

// gzipBomb is about 1000:1. It is put together from one deflated MiB, again and again, since deflating all of it takes long.
func gzipBomb() []byte {
	zeros := make([]byte, 1<<20)
	mebibyte := deflated(zeros)
	out := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}
	out = append(out, deflated(bombHead())...)
	sum := crc32.ChecksumIEEE(bombHead())
	for range bombSize / len(zeros) {
		out = append(out, mebibyte...)
		sum = crc32.Update(sum, crc32.IEEETable, zeros)
	}
	end := zeros[:2*blockSize]
	out = append(append(out, deflated(end)...), 0x01, 0x00, 0x00, 0xff, 0xff) // an empty last block
	out = binary.LittleEndian.AppendUint32(out, crc32.Update(sum, crc32.IEEETable, end))
	return binary.LittleEndian.AppendUint32(out, uint32(len(bombHead())+bombSize+len(end)))
}

// deflated ends at a byte's edge and not in a last block, so that more can follow.
func deflated(b []byte) []byte {
	var out bytes.Buffer
	w := Must(flate.NewWriter(&out, flate.BestSpeed))
	_, err := w.Write(b)
	must(err)
	must(w.Flush())
	return out.Bytes()
}

// zstdBomb is 32,768:1: blocks of four bytes that each stand for 128 KiB of one byte (RFC 8878, section 3.1.1.2.2).
func zstdBomb() []byte {
	const raw, rle, blockMax, last = 0, 1, 128 << 10, 1
	block := func(kind, size, last int, content ...byte) []byte {
		h := uint32(last | kind<<1 | size<<3)
		return append([]byte{byte(h), byte(h >> 8), byte(h >> 16)}, content...)
	}
	out := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, (20 - 10) << 3} // a window of 1 MiB
	head := bombHead()
	out = append(out, block(raw, len(head), 0, head...)...)
	for range bombSize / blockMax {
		out = append(out, block(rle, blockMax, 0, 0)...)
	}
	return append(out, block(rle, 2*blockSize, last, 0)...)
}

// gzipFields is a member whose extra field is as large as its length allows, and whose name and comment have no end in sight.
func gzipFields(b []byte) []byte {
	const size = 1<<16 - 1
	plain := gzipped(b)
	head := append([]byte(nil), plain[:10]...)
	head[3] = 0x04 | 0x08 | 0x10 // extra, name, comment (RFC 1952, section 2.3.1)
	head = binary.LittleEndian.AppendUint16(head, size)
	head = append(head, make([]byte, size)...)
	head = append(append(head, bytes.Repeat([]byte("n"), size)...), 0)
	head = append(append(head, bytes.Repeat([]byte("c"), size)...), 0)
	return append(head, plain[10:]...)
}

// flipLast changes the checksum in the trailer.
func flipLast(b []byte) []byte {
	b[len(b)-gzipTrailer] ^= 1
	return b
}

const gzipTrailer = 8

// hostileZstd are H17, and the zstd side of H19.
func hostileZstd() []Case {
	honest := Layer(marker())
	return []Case{
		rawCase("H17 window of 512 MiB", WantRefused, zstdType, zstdWindow(29)),
		rawCase("H17 window of 2 GiB", WantRefused, zstdType, zstdWindow(31)),
		rawCase("H17 skippable frame of 4 GiB", WantRefused, zstdType, append(zstdSkip(1<<32-1), 0)),
		rawCase("H17 skippable frame before an honest one", WantOK, zstdType, append(append(zstdSkip(4), 1, 2, 3, 4), zstdded(honest)...)),
		rawCase("H17 dictionary", WantRefused, zstdType, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x01, 0x50, 0x07, 0x01, 0x00, 0x00}),
		rawCase("H17 zstd bomb", WantPartial, zstdType, zstdBomb()),
		rawCase("H19 zstd said to be gzip", WantOK, gzipType, zstdded(honest)),
		rawCase("H19 plain said to be gzip", WantOK, gzipType, honest),
		rawCase("H19 bzip2 said to be gzip", WantRefused, gzipType, []byte("BZh91AY&SY\x00\x00\x00\x00")),
		rawCase("H19 xz said to be gzip", WantRefused, gzipType, []byte("\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4\x46")),
	}
}

// zstdWindow is a frame of nine bytes that asks for a window of 1<<log bytes and holds one empty block (RFC 8878, section 3.1.1).
func zstdWindow(log int) []byte {
	return []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, byte(log-10) << 3, 0x01, 0x00, 0x00}
}

func zstdSkip(size uint32) []byte {
	return binary.LittleEndian.AppendUint32([]byte{0x50, 0x2a, 0x4d, 0x18}, size)
}
