package analyze

import (
	"archive/tar"
	"context"
	"io"
	"path"
	"strings"

	"github.com/plimsoll/plimsoll"
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
)

// tree records every entry of a layer.
type tree struct {
	facts plimsoll.TreeFacts
}

func (t *tree) visit(_ context.Context, p string, h *tar.Header, _ io.Reader) error {
	e := plimsoll.TreeEntry{Path: p, Mode: uint32(h.Mode) & 0o7777}
	dir, base := path.Split(p)
	switch {
	case p == "":
		if h.Typeflag != tar.TypeDir {
			t.ignore(ignoredRoot)
		}
		return nil
	case base == whiteoutOpaque:
		e = plimsoll.TreeEntry{Path: strings.TrimSuffix(dir, "/"), Type: plimsoll.EntryOpaque}
	case strings.HasPrefix(base, whiteoutPrefix):
		// Any type of entry counts: containerd looks at the name alone.
		hidden := base[len(whiteoutPrefix):]
		if hidden == "" || hidden == "." || hidden == ".." {
			t.ignore(ignoredWhiteout)
			return nil
		}
		e = plimsoll.TreeEntry{Path: dir + hidden, Type: plimsoll.EntryWhiteout}
	default:
		t.entry(&e, h)
		if e.Type == "" {
			return nil
		}
	}
	t.facts.Entries = append(t.facts.Entries, e)
	return nil
}

// entry fills in what an ordinary entry's type needs; it leaves Type empty when the entry is ignored.
func (t *tree) entry(e *plimsoll.TreeEntry, h *tar.Header) {
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		e.Type, e.Size = plimsoll.EntryFile, h.Size
	case tar.TypeDir:
		e.Type = plimsoll.EntryDir
	case tar.TypeSymlink:
		e.Type, e.Link = plimsoll.EntrySymlink, printable(h.Linkname)
	case tar.TypeLink:
		if e.Link = cleanLink(h.Linkname); e.Link == "" {
			t.ignore(ignoredLink)
			return
		}
		e.Type = plimsoll.EntryHardlink
	default:
		e.Type = plimsoll.EntryDevice
	}
}

func (t *tree) ignore(reason string) {
	if t.facts.Ignored == nil {
		t.facts.Ignored = map[string]int{}
	}
	t.facts.Ignored[reason]++
}

func (t *tree) finish(_ context.Context, f *plimsoll.Facts) error {
	if f.Read.State == plimsoll.ReadFailed {
		return nil
	}
	if t.facts.Entries == nil {
		t.facts.Entries = []plimsoll.TreeEntry{}
	}
	for _, why := range []string{ignoredRoot, ignoredWhiteout, ignoredLink} {
		if t.facts.Ignored[why] > 0 {
			worse(f, why)
		}
	}
	f.Tree = &t.facts
	return nil
}
