package analyze

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/osv-scalibr/extractor"
	"github.com/google/osv-scalibr/extractor/filesystem"

	"github.com/plimsoll/plimsoll"
)

// reader reads one format. wants decides by path, mode and size alone. read returns what it found and, when that is not all,
// why; a reason is a property of the bytes and stands in the facts, so it names no time, no path and no memory.
type reader struct {
	name     string
	database bool  // of the operating system: each layer's version holds all packages
	named    bool  // wants looks at names alone, so that a hard link's name counts
	streams  bool  // reads files of any size as they pass (binary.go)
	limit    int64 // bytes buffered
	stage    Stage // told while it is at work
	wants    func(f *file) bool
	read     func(ctx context.Context, f *file) (found []plimsoll.Package, reason string)
}

// call is read, with what hostile bytes can do to it turned into a reason: a panic, too many packages, absurd names.
func (r *reader) call(ctx context.Context, f *file) (found []plimsoll.Package, reason string) {
	defer func() {
		if recover() != nil {
			found, reason = nil, "extractor panicked"
		}
	}()
	found, reason = r.read(ctx, f)
	if len(found) > maxPerFile {
		found, reason = found[:maxPerFile], fmt.Sprintf("limit reached: more than %d packages", maxPerFile)
	}
	kept := slices.DeleteFunc(found, func(p plimsoll.Package) bool {
		return p.Name == "" || len(p.Name) > maxField || len(p.Version) > maxField || len(p.PURL) > 4*maxField
	})
	if len(kept) < len(found) && reason == "" {
		reason = "a package without a name, or with one that is too long"
	}
	for i := range kept {
		kept[i].Path, kept[i].Extractor = f.path, cmp.Or(kept[i].Extractor, r.name)
	}
	sortPackages(kept)
	return kept, reason
}

// sortPackages makes the order of a source's packages its own: extractors range over maps.
func sortPackages(ps []plimsoll.Package) {
	slices.SortFunc(ps, comparePackages)
}

// scan hands f to an extractor of osv-scalibr, from memory.
func scan(ctx context.Context, e filesystem.Extractor, f *file) ([]*extractor.Package, error) {
	inv, err := e.Extract(ctx, &filesystem.ScanInput{
		FS: alone{f}, Path: f.path, Info: sized{f.info, int64(len(f.data))}, Reader: bytes.NewReader(f.data),
	})
	return inv.Packages, err
}
