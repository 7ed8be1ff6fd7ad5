package analyze

// unread are files that tell of installed packages in formats that nothing here reads. An image that holds one is partial:
// its packages are not all known.
var unread = []struct {
	what  string
	match func(p string) bool
}{
	// The store's own paths name packages, but say nothing of what they were patched with; nor has OSV records of them.
	{"Nix store", func(p string) bool { return p == "nix/var/nix/db/db.sqlite" }},
}

func isUnread(f *file) bool { return unreadFormat(f.path) != "" }

func unreadFormat(p string) string {
	for _, u := range unread {
		if u.match(p) {
			return u.what
		}
	}
	return ""
}
