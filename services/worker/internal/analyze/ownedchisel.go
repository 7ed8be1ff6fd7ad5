package analyze

import (
	"cmp"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// chisel reads the files of Chisel's manifest. They come by path, so they are put together by package here.
func (l *list) chisel(b []byte) {
	type owned struct {
		owner string
		file  plimsoll.OwnedFile
	}
	var all []owned
	reason := chiselLines(b, func(c *chiselLine) string {
		sum := cmp.Or(c.Final, c.SHA256)
		if c.Kind != "path" || sum == "" || len(c.Slices) == 0 {
			return "" // a folder, a link, or what Chisel made itself
		}
		f := plimsoll.OwnedFile{Path: ownedPath([]byte(c.Path))}
		f.Sum, _ = unhexSum([]byte(sum))
		owner, _, _ := strings.Cut(c.Slices[0], "_")
		if f.Path == "" || f.Sum == nil || owner == "" || len(owner) > maxField {
			return reasonMalformed
		}
		all = append(all, owned{owner, f})
		return ""
	})
	if reason != "" {
		l.fail(reason)
	}
	slices.SortStableFunc(all, func(a, b owned) int { return cmp.Compare(a.owner, b.owner) })
	for i, o := range all {
		if i == 0 || o.owner != l.owner {
			l.own(o.owner)
		}
		l.add(o.file)
	}
}
