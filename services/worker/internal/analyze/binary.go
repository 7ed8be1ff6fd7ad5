package analyze

import (
	"bytes"
	"compress/zlib"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	cpb "github.com/google/osv-scalibr/binary/proto/config_go_proto"
	"github.com/google/osv-scalibr/extractor"
	"github.com/google/osv-scalibr/extractor/filesystem"
	"github.com/google/osv-scalibr/extractor/filesystem/language/golang/gobinary"
	"github.com/google/osv-scalibr/extractor/filesystem/language/rust/cargoauditable"
	"github.com/google/osv-scalibr/purl"

	"github.com/plimsoll/plimsoll"
)

// Marks of binaries that tell their packages. Most executables have neither, and are then parsed by nothing.
var (
	goMark    = []byte("\xff Go buildinf:") // debug/buildinfo; stands at a multiple of 16
	rustMarks = [][]byte{[]byte(".dep-v0\x00"), []byte(".rust-deps-v0\x00")}
)

// executables are the first bytes of ELF, PE and Mach-O files.
var executables = []string{"\x7fELF", "MZ", "\xfe\xed\xfa", "\xcf\xfa\xed\xfe", "\xce\xfa\xed\xfe", "\xca\xfe\xba\xbe"}

// binaries reads Go's build information and cargo-auditable's list of dependencies.
type binaries struct{ golang, rust filesystem.Extractor }

func newBinaries() (*binaries, error) {
	unbounded := &cpb.PluginConfig{MaxFileSizeBytes: maxFile + 1}
	golang, err := gobinary.New(unbounded)
	if err != nil {
		return nil, fmt.Errorf("extractor %s: %w", NameGo, err)
	}
	rust, err := cargoauditable.New(unbounded)
	if err != nil {
		return nil, fmt.Errorf("extractor %s: %w", NameRust, err)
	}
	return &binaries{golang, rust}, nil
}

// wantsBinary tells files that may be executables, as osv-scalibr does: by mode and extension.
func wantsBinary(f *file) bool { return filesystem.IsInterestingExecutable(f) }

// binary looks at the first bytes of a file and buffers executables alone. Those larger than the buffer are searched as they
// pass by.
func (p *packages) binary(ctx context.Context, r *reader, f *file, body io.Reader) error {
	var head [4]byte
	n, err := io.ReadFull(body, head[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return broken(err)
	}
	if !isExecutable(string(head[:n])) {
		return nil
	}
	body = io.MultiReader(bytes.NewReader(head[:n]), body)
	if f.size() > maxFile {
		found, reason, err := searchLarge(body)
		if err != nil {
			return broken(err)
		}
		p.add(r, f, finish(found, f.path), reason)
		return nil
	}
	if err := p.load(f, body, maxFile); err != nil {
		return broken(err)
	}
	if !bytes.Contains(f.data, goMark) && !isAudited(f.data) {
		p.seen(f.path)
		return nil
	}
	return p.run(ctx, r, f)
}

func finish(found []plimsoll.Package, path string) []plimsoll.Package {
	for i := range found {
		found[i].Path = path
	}
	sortPackages(found)
	return found
}

func isExecutable(head string) bool {
	for _, magic := range executables {
		if strings.HasPrefix(head, magic) {
			return true
		}
	}
	return false
}

func isAudited(b []byte) bool {
	return bytes.Contains(b, rustMarks[0]) || bytes.Contains(b, rustMarks[1])
}

func (x *binaries) read(ctx context.Context, f *file) (found []plimsoll.Package, reason string) {
	if isAudited(f.data) {
		found, reason = x.audited(ctx, f)
	}
	if at := markAt(f.data); at >= 0 {
		ps, err := scan(ctx, x.golang, f)
		found = append(found, by(NameGo, convertAll(ps))...)
		// The extractor passes over build information that it cannot read, and over files that have none.
		if err != nil || len(ps) == 0 {
			reason = "broken Go build information"
		}
	}
	return found, reason
}

// markAt is where build information stands in the file, -1 when it has none. Other places hold the mark as a constant: of
// programs that read build information.
func markAt(b []byte) int {
	for at := 0; ; {
		i := bytes.Index(b[at:], goMark)
		if i < 0 {
			return -1
		}
		if at += i; at%16 == 0 {
			return at
		}
		at++
	}
}

// audited reads the dependencies that cargo-auditable embeds: a section with JSON, zlib. Its inflated size is checked first,
// because the extractor inflates without a bound.
func (x *binaries) audited(ctx context.Context, f *file) ([]plimsoll.Package, string) {
	if e, err := elf.NewFile(bytes.NewReader(f.data)); err == nil {
		if reason := auditSize(e); reason != "" {
			return nil, reason
		}
	}
	ps, err := scan(ctx, x.rust, f)
	if err != nil {
		return nil, "broken dependency list of a Rust binary"
	}
	return by(NameRust, convertAll(ps)), ""
}

func by(extractor string, ps []plimsoll.Package) []plimsoll.Package {
	for i := range ps {
		ps[i].Extractor = extractor
	}
	return ps
}

func auditSize(e *elf.File) string {
	for _, mark := range rustMarks {
		s := e.Section(strings.TrimRight(string(mark), "\x00"))
		if s == nil {
			continue
		}
		z, err := zlib.NewReader(s.Open())
		if err != nil {
			return "broken dependency list of a Rust binary"
		}
		if n, _ := io.Copy(io.Discard, io.LimitReader(z, maxAudit+1)); n > maxAudit {
			return fmt.Sprintf("limit reached: dependency list of more than %d MiB", maxAudit>>20)
		}
	}
	return ""
}

// searchLarge finds Go's build information in an executable of any size as it passes: since Go 1.18 it stands in one piece
// behind the mark. An error is the body's.
func searchLarge(body io.Reader) (found []plimsoll.Package, reason string, err error) {
	const chunk = 1 << 20
	buf := make([]byte, 0, 2*chunk)
	offset := 0 // of buf[0] within the file
	for {
		n, err := io.ReadFull(body, buf[len(buf):min(cap(buf), len(buf)+chunk)])
		buf = buf[:len(buf)+n]
		if i := alignedMark(buf, offset); i >= 0 && found == nil {
			info, rerr := io.ReadAll(io.LimitReader(body, maxBuildInfo))
			if rerr != nil {
				return nil, "", rerr
			}
			found, reason = inlineInfo(append(buf[i:], info...))
			buf, offset = buf[:0], offset+len(buf)+len(info)
			continue
		}
		if isAudited(buf) {
			reason = fmt.Sprintf("limit reached: Rust binary of more than %d MiB", maxFile>>20)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return found, reason, nil
		}
		if err != nil {
			return nil, "", err
		}
		keep := min(len(buf), 64) // a mark may lie across two chunks
		offset += len(buf) - keep
		buf = append(buf[:0], buf[len(buf)-keep:]...)
	}
}

// alignedMark is markAt for a part of a file that starts at offset.
func alignedMark(b []byte, offset int) int {
	for at := 0; ; {
		i := bytes.Index(b[at:], goMark)
		if i < 0 {
			return -1
		}
		if at += i; (at+offset)%16 == 0 {
			return at
		}
		at++
	}
}

// inlineInfo reads what follows the mark (debug/buildinfo): the pointer size, flags, and 32 bytes from the mark two strings with
// their lengths: the version of Go and the modules.
func inlineInfo(b []byte) ([]plimsoll.Package, string) {
	const inline = 2 // flag: the strings follow, instead of pointers to them
	if len(b) < 32 || b[15]&inline == 0 {
		return nil, fmt.Sprintf("limit reached: Go build information of an old form in a file of more than %d MiB", maxFile>>20)
	}
	version, rest, ok := counted(b[32:])
	modules, _, ok2 := counted(rest)
	if !ok || !ok2 {
		return nil, "broken Go build information"
	}
	// The linker puts 16 bytes before and after the modules (cmd/go/internal/modload, ModInfoProg).
	if len(modules) < 33 || modules[len(modules)-17] != '\n' {
		modules = ""
	} else {
		modules = modules[16 : len(modules)-16]
	}
	info, err := debug.ParseBuildInfo(modules)
	if err != nil {
		return nil, "broken Go build information"
	}
	return goPackages(version, info), ""
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
