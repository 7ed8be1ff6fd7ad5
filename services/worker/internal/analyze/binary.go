package analyze

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"runtime/debug"
	"strings"

	cpb "github.com/google/osv-scalibr/binary/proto/config_go_proto"
	"github.com/google/osv-scalibr/extractor"
	"github.com/google/osv-scalibr/extractor/filesystem"
	"github.com/google/osv-scalibr/extractor/filesystem/language/golang/gobinary"
	"github.com/google/osv-scalibr/purl"

	"github.com/plimsoll/plimsoll"
)

// Marks of executables that tell their packages.
var (
	goMark = []byte("\xff Go buildinf:")          // debug/buildinfo; stands at a multiple of goAlign
	goNote = []byte("\x04\x00\x00\x00Go\x00\x00") // the note of Go's linker, in the first page of an ELF file
)

const goAlign = 16

// executables are the first bytes of executables, by kind.
var executables = []struct {
	kind  plimsoll.FileKind
	magic string
}{
	{plimsoll.FileELF, "\x7fELF"}, {plimsoll.FilePE, "MZ"},
	{plimsoll.FileMachO, "\xfe\xed\xfa"}, {plimsoll.FileMachO, "\xcf\xfa\xed\xfe"}, {plimsoll.FileMachO, "\xce\xfa\xed\xfe"},
	{plimsoll.FileMachO, "\xca\xfe\xba\xbe"},
}

// kindOf tells a file's kind by its first bytes.
func kindOf(head []byte) plimsoll.FileKind {
	for _, x := range executables {
		if len(head) >= len(x.magic) && string(head[:len(x.magic)]) == x.magic {
			return x.kind
		}
	}
	if len(head) > 2 && head[0] == '#' && head[1] == '!' {
		return plimsoll.FileScript
	}
	return plimsoll.FileOther
}

// wantsBinary tells files that may be executables, as osv-scalibr does: by mode and extension; and run-times, by name.
func wantsBinary(f *file) bool { return filesystem.IsInterestingExecutable(f) || isRuntime(f) }

// binaries reads Go's build information and cargo-auditable's list of dependencies.
type binaries struct{ golang filesystem.Extractor }

func newBinaries() (*binaries, error) {
	golang, err := gobinary.New(&cpb.PluginConfig{MaxFileSizeBytes: maxFile + 1})
	if err != nil {
		return nil, fmt.Errorf("extractor %s: %w", NameGo, err)
	}
	return &binaries{golang}, nil
}

// binary gives the sink for an executable. ELF files are searched as they pass: few have what we look for, and they are most of
// an image's bytes. What Go's linker made is buffered where it fits, because older build information points all over the file;
// so are the rarer formats of other systems.
func (p *packages) binary(r *reader, f *file, e *entry) sink {
	switch kind := kindOf(e.head); kind {
	case plimsoll.FileOther, plimsoll.FileScript:
		return nil
	case plimsoll.FileELF:
		if f.size() > maxFile || !bytes.Contains(e.head, goNote) || isRuntime(f) {
			return newSearch(p, r, f)
		}
	default:
		if f.size() > maxFile {
			return newSearch(p, r, f)
		}
	}
	return p.whole(r, f)
}

func (x *binaries) read(ctx context.Context, f *file) (found []plimsoll.Package, reason string) {
	found, reason = auditedIn(f.data)
	if at := markAt(f.data); at >= 0 {
		ps, err := scan(ctx, x.golang, f)
		found = append(found, by(NameGo, convertAll(ps))...)
		// The extractor passes over build information that it cannot read, and over files that have none.
		if err != nil || len(ps) == 0 {
			reason = reasonGo
		}
	}
	return found, reason
}

const (
	reasonGo   = "broken Go build information"
	reasonRust = "broken dependency list of a Rust binary"
)

// markAt is where build information stands in the file, -1 when it has none. Other places hold the mark as a constant: of
// programs that read build information.
func markAt(b []byte) int { return alignedMark(b, 0) }

// alignedMark is where in a part of a file, which begins at offset, build information stands.
func alignedMark(b []byte, offset int64) int {
	for at := int(-offset & (goAlign - 1)); at+len(goMark) <= len(b); at += goAlign {
		if b[at] == goMark[0] && bytes.Equal(b[at:at+len(goMark)], goMark) {
			return at
		}
	}
	return -1
}

func by(extractor string, ps []plimsoll.Package) []plimsoll.Package {
	for i := range ps {
		ps[i].Extractor = extractor
	}
	return ps
}

// inlineInfo reads what follows the mark (debug/buildinfo): the pointer size, flags, and 32 bytes from the mark two strings with
// their lengths: the version of Go and the modules.
func inlineInfo(b []byte) ([]plimsoll.Package, string) {
	const inline = 2 // flag: the strings follow, instead of pointers to them
	switch {
	case len(b) < 32:
		return nil, reasonGo
	case b[15]&inline == 0:
		return nil, "unsupported: Go build information that needs the whole file"
	}
	version, rest, ok := counted(b[32:])
	modules, _, ok2 := counted(rest)
	if !ok || !ok2 {
		return nil, reasonGo
	}
	// The linker puts 16 bytes before and after the modules (cmd/go/internal/modload, ModInfoProg).
	if len(modules) < 33 || modules[len(modules)-17] != '\n' {
		modules = ""
	} else {
		modules = modules[16 : len(modules)-16]
	}
	info, err := debug.ParseBuildInfo(modules)
	if err != nil {
		return nil, reasonGo
	}
	return goPackages(version, info), ""
}

// goLength is how many bytes build information has, as far as its first bytes tell: it grows until both strings' lengths are known.
func goLength(b []byte) int {
	const head, lengths = 32, 2 * binary.MaxVarintLen64
	if len(b) < head+lengths {
		return head + lengths
	}
	n, used := binary.Uvarint(b[head:])
	if used <= 0 || n > maxField {
		return len(b)
	}
	second := head + used + int(n)
	if len(b) < second+binary.MaxVarintLen64 {
		return second + binary.MaxVarintLen64
	}
	n, used = binary.Uvarint(b[second:])
	if used <= 0 || n > maxBuildInfo {
		return len(b)
	}
	return second + used + int(n)
}

func counted(b []byte) (s string, rest []byte, ok bool) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return "", nil, false
	}
	return string(b[used : used+int(n)]), b[used+int(n):], true
}

// goPackages gives the packages that the extractor would.
func goPackages(version string, info *debug.BuildInfo) []plimsoll.Package {
	var ps []*extractor.Package
	add := func(path, version string) {
		if path != "" {
			ps = append(ps, &extractor.Package{Name: path, Version: strings.TrimPrefix(version, "v"), PURLType: purl.TypeGolang})
		}
	}
	version, _, _ = strings.Cut(version, " ")
	if version != "" {
		add("go", strings.TrimPrefix(version, "go"))
	}
	for _, m := range info.Deps {
		if m.Replace != nil && m.Replace.Path != "" {
			m = m.Replace
		}
		add(m.Path, m.Version)
	}
	add(info.Main.Path, info.Main.Version)
	return by(NameGo, convertAll(ps))
}
