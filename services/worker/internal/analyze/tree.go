package analyze

import (
	"archive/tar"
	"path"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/worker/internal/layer"
)

// Names that the OCI image specification reserves ("Layer Filesystem Changeset", Whiteouts).
const (
	whiteoutPrefix = ".wh."
	whiteoutOpaque = ".wh..wh..opq"
)

// Reasons for entries that name nothing inside the image.
const (
	ignoredRoot     = "entry in place of the image's root"
	ignoredWhiteout = "whiteout that names no entry of its directory"
	ignoredLink     = "hard link without a target"
	ignoredEmpty    = "symbolic link without a target"
)

// treeEntry is what one entry of a tar says of the image's tree. Its Type is empty when it says nothing; ignored is why, where
// that is worth telling.
func treeEntry(p string, h *layer.Header) (e plimsoll.TreeEntry, ignored string) {
	dir, base := path.Split(p)
	switch {
	case p == "":
		if h.Typeflag != tar.TypeDir {
			return e, ignoredRoot
		}
		return e, ""
	case base == whiteoutOpaque:
		return plimsoll.TreeEntry{Path: strings.TrimSuffix(dir, "/"), Type: plimsoll.EntryOpaque}, ""
	case strings.HasPrefix(base, whiteoutPrefix):
		// Any type of entry counts: containerd looks at the name alone.
		hidden := base[len(whiteoutPrefix):]
		if hidden == "" || hidden == "." || hidden == ".." {
			return e, ignoredWhiteout
		}
		return plimsoll.TreeEntry{Path: dir + hidden, Type: plimsoll.EntryWhiteout}, ""
	}
	e = plimsoll.TreeEntry{Path: p, Mode: uint32(h.Mode) & 0o7777}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		e.Type, e.Size = plimsoll.EntryFile, h.Size
	case tar.TypeDir:
		e.Type = plimsoll.EntryDir
	case tar.TypeSymlink:
		if h.Linkname == "" {
			return plimsoll.TreeEntry{}, ignoredEmpty
		}
		e.Type, e.Link = plimsoll.EntrySymlink, printable(h.Linkname)
	case tar.TypeLink:
		if e.Link = cleanLink(h.Linkname); e.Link == "" {
			return plimsoll.TreeEntry{}, ignoredLink
		}
		e.Type = plimsoll.EntryHardlink
	default:
		e.Type = plimsoll.EntryDevice
	}
	return e, ""
}

// tree records every entry of a layer.
type tree struct {
	entries plimsoll.TreeWriter
	ignored map[string]int
}

func (t *tree) visit(e *entry) sink {
	t.entries.Append(e.TreeEntry)
	return nil
}

func (t *tree) ignore(reason string) {
	if t.ignored == nil {
		t.ignored = map[string]int{}
	}
	t.ignored[reason]++
}

func (t *tree) finish(f *plimsoll.Facts) {
	if f.Read.State == plimsoll.ReadFailed {
		return
	}
	for _, why := range []string{ignoredRoot, ignoredWhiteout, ignoredLink, ignoredEmpty} {
		if t.ignored[why] > 0 {
			worse(f, why)
		}
	}
	f.Tree = &plimsoll.TreeFacts{Count: t.entries.Count, Entries: t.entries.Entries, Ignored: t.ignored}
}
