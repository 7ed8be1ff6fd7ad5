package layer

import (
	"path"
	"strings"
)

// Clean turns a name from a tar into a path relative to the image's root, without a leading slash: "." and ".." are resolved
// and cannot lead above the root. The root itself is "".
func Clean(name string) string {
	if isClean(name) {
		return name
	}
	return strings.TrimPrefix(path.Clean("/"+name), "/")
}

// isClean spares honest names the work: nearly all are clean but for a slash at the end.
func isClean(name string) bool {
	if name == "" || name[0] == '/' || name[len(name)-1] == '/' {
		return false
	}
	start := 0
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '/' {
			continue
		}
		if part := name[start:i]; part == "" || part == "." || part == ".." {
			return false
		}
		start = i + 1
	}
	return true
}
