package analyze

import (
	"encoding/binary"
	"fmt"

	"github.com/plimsoll/plimsoll"
)

// files records executables, scripts and files with unusual rights, and what package databases say of the files they own.
//
// Kept are: ELF files, with or without an x bit, since shared libraries have none; Windows' and macOS's executables likewise;
// scripts ("#!") with an x bit, without which no kernel runs them; and any regular file that is set-uid, set-gid, has file
// capabilities, or that anybody may write.
type files struct {
	stage  *Stage
	shared bool // lists that are read whole are handed over by the packages analyser
	facts  plimsoll.FileFacts
	seen   families
	owned  ownedCount
	reason string     // a bound of the layer that was hit
	links  []listLink // hard links by names of lists
	sums   *summer    // reused from file to file
	buf    buffer     // likewise
}

func newFiles(stage *Stage) *files { return &files{stage: stage, sums: newSummer()} }

func (x *files) ignore(string) {}

func (x *files) visit(e *entry) sink {
	x.seen |= familyOf(e.Path)
	switch e.Type {
	case plimsoll.EntryFile:
		return both(x.list(e), x.file(e))
	case plimsoll.EntryHardlink:
		x.link(e)
	}
	return nil
}

// file gives the sink that sums a file worth keeping.
func (x *files) file(e *entry) sink {
	f, ok := keep(e)
	if !ok {
		return nil
	}
	if len(x.facts.Files) >= maxFiles {
		x.reason = fmt.Sprintf("limit reached: more than %d executables and files with unusual rights in a layer", maxFiles)
		return nil
	}
	x.facts.Files = append(x.facts.Files, f)
	x.sums.start(x, e.Path, f.Size)
	return x.sums
}

// keep tells whether a file is worth a look, and what it is.
func keep(e *entry) (plimsoll.FileEntry, bool) {
	f := plimsoll.FileEntry{
		Entry: e.number, Kind: executableKind(e.head, e.Mode), Size: e.Size, Mode: e.Mode,
		Capabilities: capabilities(e.header.Capability),
	}
	const setUID, setGID, worldWritable = 0o4000, 0o2000, 0o002
	unusual := f.Mode&(setUID|setGID|worldWritable) != 0 || f.Capabilities != ""
	return f, unusual || f.Kind != plimsoll.FileOther
}

// executableKind is what runs of a file: a script only with an x bit, a Mach-O or PE file only if its second mark is right too,
// as Java's classes and some texts have the first.
func executableKind(head []byte, mode uint32) plimsoll.FileKind {
	is, kind := true, kindOf(head)
	switch kind {
	case plimsoll.FileScript:
		is = mode&0o111 != 0
	case plimsoll.FilePE:
		is = isPE(head)
	case plimsoll.FileMachO:
		is = !isClass(head)
	}
	if !is {
		return plimsoll.FileOther
	}
	return kind
}

// isPE: the number at 0x3c says where the mark "PE" stands (Microsoft, "PE Format").
func isPE(head []byte) bool {
	if len(head) < 0x40 {
		return false
	}
	at := int64(binary.LittleEndian.Uint32(head[0x3c:]))
	return at+4 <= int64(len(head)) && string(head[at:at+4]) == "PE\x00\x00"
}

// isClass tells Java's classes from Mach-O's fat files, which have the same first four bytes: the former go on with a version
// from 45 on, the latter with the number of processors they are for.
func isClass(head []byte) bool {
	const firstVersion = 45
	return len(head) >= 8 && string(head[:4]) == "\xca\xfe\xba\xbe" && binary.BigEndian.Uint32(head[4:]) >= firstVersion
}

func (x *files) finish(f *plimsoll.Facts) {
	if f.Read.State == plimsoll.ReadFailed {
		return
	}
	x.missedLinks()
	if x.reason != "" {
		worse(f, x.reason)
	}
	if x.facts.Files == nil {
		x.facts.Files = []plimsoll.FileEntry{}
	}
	f.Files = &x.facts
}

// both gives the content to two sinks, either of which may be missing.
func both(a, b sink) sink {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return pair{a, b}
}

type pair struct{ first, second sink }

func (p pair) write(b []byte) {
	p.first.write(b)
	p.second.write(b)
}

func (p pair) close(short string) {
	p.first.close(short)
	p.second.close(short)
}
