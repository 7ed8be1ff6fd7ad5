package assemble

import (
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/worker/internal/analyze"
)

// unowned drops the run-times that an OS package brought: its distribution judges them, under the package's own name.
func unowned(ps []plimsoll.Package) []plimsoll.Package {
	return slices.DeleteFunc(ps, func(p plimsoll.Package) bool { return p.Extractor == analyze.NameRuntime && p.NotMatched != "" })
}

// hiddenUnowned does so for a file that is not there any more: the lists of lower layers tell, gone or not.
func (s *state) hiddenUnowned(f *file, ps []plimsoll.Package) []plimsoll.Package {
	return slices.DeleteFunc(ps, func(p plimsoll.Package) bool {
		return p.Extractor == analyze.NameRuntime && slices.ContainsFunc(s.files, func(l *file) bool { return l.list != nil && lists(l.list, f.source.Path) })
	})
}

// lists tells whether an OS package owned a path, under either of the names that it has where /usr was merged.
func lists(l *plimsoll.FileList, path string) bool {
	if l.Format == plimsoll.ListPython || l.Format == plimsoll.ListDpkgConffiles || l.Format == plimsoll.ListDpkgDiversions {
		return false
	}
	path = strings.TrimPrefix(path, "usr/")
	for _, owner := range l.Owners {
		for f := range owner.Files.All() {
			if strings.TrimPrefix(f.Path, "usr/") == path {
				return true
			}
		}
	}
	return false
}
