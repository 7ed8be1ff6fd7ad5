package analyze

import (
	"path"
	"strings"
)

// unread are files that tell of installed packages in formats that nothing here reads. An image that holds one is partial:
// its packages are not all known.
var unread = []struct {
	what  string
	match func(p string) bool
}{
	{"pacman database", func(p string) bool { return within(p, "var/lib/pacman/local/") && path.Base(p) == "desc" }},
	{"Portage database", func(p string) bool { return within(p, "var/db/pkg/") && path.Base(p) == "PF" }},
	{"Nix store", func(p string) bool { return p == "nix/var/nix/db/db.sqlite" }},
	{"Conda packages", func(p string) bool { return path.Base(path.Dir(p)) == "conda-meta" && path.Ext(p) == ".json" }},
	{"Composer packages", func(p string) bool { return strings.HasSuffix(p, "vendor/composer/installed.json") }},
}

func within(p, folder string) bool { return strings.HasPrefix(p, folder) }

func isUnread(f *file) bool { return unreadFormat(f.path) != "" }

func unreadFormat(p string) string {
	for _, u := range unread {
		if u.match(p) {
			return u.what
		}
	}
	return ""
}
